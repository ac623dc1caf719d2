import { expect, test } from 'vitest';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { layoutOf } from '../../cli/commands/stage.ts';

test('another split lies beside the one that a config evaluates, where its last folder names that', async () => {
  const { dataset } = await loadConfig('tiny');
  const folders = (split: string, imageDir = dataset.imageDir) => {
    const layout = layoutOf({ ...dataset, imageDir }, split);
    return [layout.split, layout.imageDir, layout.annotationDir];
  };
  expect(folders('validation')).toEqual(['validation', 'images/validation', 'annotations/validation']);
  expect(folders('training')).toEqual(['training', 'images/training', 'annotations/training']);
  expect(folders('train', 'leftImg8bit/val')[1]).toBe('leftImg8bit/train');
  // Splits of such a layout are lists, not folders.
  expect(folders('train', 'JPEGImages')[1]).toBe('JPEGImages');
});
