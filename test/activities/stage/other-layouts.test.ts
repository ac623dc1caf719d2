import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BadInput } from '../../../core/config/failures.ts';
import { jpegOf } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import {
  configOf,
  evaluated,
  greyOf,
  IGNORED,
  labelsOf,
  matrixOf,
  paletteOf,
  photographOf,
  sectionOf,
  write,
} from './whole-dataset.ts';

describe('Cityscapes with train ids', () => {
  const SECTION = {
    ...sectionOf('cityscapes'),
    annotationSuffix: '_gtFine_labelTrainIds.png',
    labelIds: undefined,
  };
  const FRANKFURT = 'frankfurt/frankfurt_000000_000294';
  const LINDAU = 'lindau/lindau_000001_000019';
  const truth = new Map([FRANKFURT, LINDAU].map((id, i) => [id, labelsOf(19, i)]));

  /** A folder for each city, and beside the labels of training the ones that nobody trains on. */
  function cityscapes(): string {
    const root = temporaryFolder();
    for (const [i, [id, labels]] of [...truth].entries()) {
      write(root, {
        [`leftImg8bit/val/${id}_leftImg8bit.png`]: photographOf(i),
        [`gtFine/val/${id}_gtFine_labelTrainIds.png`]: greyOf(labels),
        [`gtFine/val/${id}_gtFine_labelIds.png`]: greyOf(labels.map((label) => label + 7)),
        [`gtFine/val/${id}_gtFine_polygons.json`]: '{}',
      });
    }
    return root;
  }

  test('is staged, planned and evaluated: cities as folders, PNG images, 19 classes, label 0 counts', async () => {
    const config = configOf(19, SECTION);
    const { run, counts, predictions, manifest } = await evaluated(cityscapes(), config);
    expect(run.imageIds).toEqual([FRANKFURT, LINDAU]);
    expect(run.classes.classes[18]).toEqual({ name: 'bicycle', color: [119, 11, 32] });
    expect(manifest.images[0]).toMatchObject({
      id: FRANKFURT,
      width: 40,
      height: 30,
      image: { key: `leftImg8bit/val/${FRANKFURT}_leftImg8bit.png` },
      annotation: { key: `gtFine/val/${FRANKFURT}_gtFine_labelTrainIds.png` },
    });
    expect(counts).toEqual(matrixOf(19, truth, predictions));
    // Label 0 is a class, and were all predictions of one class, this would say little.
    expect(counts.subarray(0, 19).some((count) => count > 0)).toBe(true);
    expect(new Set([...predictions.values()].flatMap((labels) => [...labels])).size).toBeGreaterThan(3);
  });

  test('whose cities are links to another disk has the same images', async () => {
    const disk = cityscapes();
    const root = temporaryFolder();
    for (const folder of ['leftImg8bit', 'gtFine']) {
      mkdirSync(join(root, folder, 'val'), { recursive: true });
      for (const city of ['frankfurt', 'lindau'])
        symlinkSync(join(disk, folder, 'val', city), join(root, folder, 'val', city));
    }
    const { run } = await evaluated(root, configOf(19, SECTION));
    expect(run.imageIds).toEqual([FRANKFURT, LINDAU]);
  });

  test('with a folder that links to itself is refused', async () => {
    const root = cityscapes();
    symlinkSync(join(root, 'leftImg8bit'), join(root, 'leftImg8bit/val/again'));
    const refusal = evaluated(root, configOf(19, SECTION));
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow('more than 16 folders deep: a link to itself?');
  });
});

describe('Pascal VOC', () => {
  const IDS = ['2007_000033', '2007_000042', '2008_000008'];
  const truth = new Map(IDS.map((id, i) => [id, labelsOf(21, i)]));

  /** Most images have no annotation: the split file lists those that have. */
  async function voc(split = '2007_000042\r\n2007_000033\n\n'): Promise<string> {
    const root = temporaryFolder();
    write(root, { 'ImageSets/Segmentation/val.txt': split });
    for (const [i, id] of ['2007_000027', ...IDS].entries())
      write(root, { [`JPEGImages/${id}.jpg`]: await jpegOf(40, 30, i) });
    for (const [id, labels] of truth) write(root, { [`SegmentationClass/${id}.png`]: paletteOf(labels) });
    return root;
  }

  test('is staged, planned and evaluated: a split file, labels out of a palette, 21 classes', async () => {
    const config = configOf(21, sectionOf('pascal-voc'));
    const { run, counts, predictions } = await evaluated(await voc(), config);
    expect(run.imageIds).toEqual(['2007_000033', '2007_000042']);
    expect(run.classes.classes[0]).toEqual({ name: 'background', color: [0, 0, 0] });
    const listed = new Map([...truth].slice(0, 2));
    expect(counts).toEqual(matrixOf(21, listed, predictions));
    expect(counts.reduce((sum, count) => sum + count)).toBe(
      [...listed.values()].flatMap((labels) => [...labels]).filter((label) => label !== IGNORED).length,
    );
  });

  test('takes its classes out of the config as well', async () => {
    const classes = Array.from({ length: 21 }, (_, i) => ({ name: `class ${i}`, color: [i, i, i] }));
    const config = configOf(21, { ...sectionOf('pascal-voc'), classes });
    const { run } = await evaluated(await voc(), config);
    expect(run.classes.classes).toEqual(classes);
  });

  test.each<[string, string, RegExp]>([
    ['with an empty split file', '\n', /val\.txt: lists no image/],
    [
      'that lists an image twice',
      '2007_000042\n2007_000033\n2007_000042',
      /val\.txt: line 3: 2007_000042: listed before, in line 1/,
    ],
    ['that lists what is no id', '../2007_000042', /val\.txt: line 1: \.\.\/2007_000042: no image id/],
    [
      'that lists names with their suffix',
      '2007_000042.jpg',
      /JPEGImages\/2007_000042\.jpg\.jpg: missing, listed in ImageSets\/Segmentation\/val\.txt/,
    ],
    [
      'that lists an image without annotation',
      '2007_000027',
      /SegmentationClass\/2007_000027\.png: missing, the annotation of JPEGImages\/2007_000027\.jpg/,
    ],
  ])('is refused %s', async (_, split, message) => {
    const refusal = evaluated(await voc(split), configOf(21, sectionOf('pascal-voc')));
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow(message);
  });

  test('is refused without its split file', async () => {
    const section = { ...sectionOf('pascal-voc'), splitFile: 'ImageSets/Segmentation/none.txt' };
    const refusal = evaluated(await voc(), configOf(21, section));
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow('ImageSets/Segmentation/none.txt: no such file');
  });
});
