import { expect, test } from 'vitest';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { layoutOf, type SplitPlace } from '../../cli/stage.ts';
import { BadInput } from '../../core/config/failures.ts';

const { dataset: ade } = await loadConfig('tiny');
const cityscapes = { ...ade, imageDir: 'leftImg8bit/val', annotationDir: 'gtFine/val' };
const voc = {
  ...ade,
  imageDir: 'JPEGImages',
  annotationDir: 'SegmentationClass',
  splitFile: 'ImageSets/Segmentation/val.txt',
};
/** All images in one folder, and no list: nothing tells splits apart. */
const flat = { ...ade, imageDir: 'images', annotationDir: 'labels' };

function placeOf(dataset: typeof ade, split: string, place?: SplitPlace) {
  const { imageDir, annotationDir, splitFile } = layoutOf(dataset, split, place);
  return [imageDir, annotationDir, splitFile];
}

test.each([
  [ade, 'validation', ['images/validation', 'annotations/validation', undefined]],
  [ade, 'training', ['images/training', 'annotations/training', undefined]],
  [cityscapes, 'val', ['leftImg8bit/val', 'gtFine/val', undefined]],
  [cityscapes, 'train', ['leftImg8bit/train', 'gtFine/train', undefined]],
  [voc, 'validation', ['JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation/val.txt']],
  [voc, 'val', ['JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation/val.txt']],
  [flat, 'validation', ['images', 'labels', undefined]],
])('a split lies where the layout says: case %#', (dataset, split, place) => {
  expect(placeOf(dataset, split)).toEqual(place);
});

test('a layout that does not tell splits apart asks for the place of another one', () => {
  expect(() => layoutOf(voc, 'train')).toThrow(BadInput);
  expect(() => layoutOf(voc, 'train')).toThrow(
    /^--split train: the config's layout lists the images of another split \(ImageSets\/Segmentation\/val\.txt\)\. .*--split-file/,
  );
  expect(() => layoutOf(flat, 'train')).toThrow(
    /images is not named after a split\. .*--image-dir, or .*--split-file/,
  );
  expect(() => layoutOf(flat, 'train', { imageDir: 'more' })).toThrow(
    /labels is not named after a split\. .*--annotations/,
  );
});

test('the place that a user names counts', () => {
  const list = 'ImageSets/Segmentation/train.txt';
  expect(placeOf(voc, 'train', { splitFile: list })).toEqual(['JPEGImages', 'SegmentationClass', list]);
  expect(placeOf(flat, 'train', { imageDir: 'a', annotations: 'b' })).toEqual(['a', 'b', undefined]);
  expect(placeOf(ade, 'test', { imageDir: 'testing', annotations: false })).toEqual([
    'testing',
    undefined,
    undefined,
  ]);
});
