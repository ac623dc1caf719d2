import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flipHorizontally, reduceZeroLabel, resizeForTest } from '../../../core/image/preprocess.ts';
import { readNpy } from '../../golden/check/npy.ts';
import { goldenFolder } from '../../golden-folder.ts';

const ANNOTATIONS = join(goldenFolder(), 'preprocessing/annotations');
const PIXELS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

test('a flip mirrors each row and keeps the channels in order', () => {
  const flipped = flipHorizontally({ width: 3, height: 1, data: Uint8Array.from(PIXELS) });
  expect([...flipped.data]).toEqual([7, 8, 9, 4, 5, 6, 1, 2, 3]);
});

test('a flip leaves rows where they are', () => {
  const flipped = flipHorizontally({ width: 1, height: 3, data: Uint8Array.from(PIXELS) });
  expect([...flipped.data]).toEqual(PIXELS);
});

test('flipping twice gives the image back, and leaves the first one alone', () => {
  const side = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(side, side, (width, height) => {
      const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37) % 251);
      const image = { width, height, data };
      const before = data.slice();
      expect(flipHorizontally(flipHorizontally(image))).toEqual(image);
      expect(data).toEqual(before);
    }),
  );
});

test.each(['all_values_L', 'palette_P', 'typical_L'])(
  'reduce_zero_label gives the labels of mmseg: %s',
  (name) => {
    const labels = readNpy(join(ANNOTATIONS, `${name}_reduce0.npy`)).data as Uint8Array;
    reduceZeroLabel(labels);
    expect(labels).toEqual(readNpy(join(ANNOTATIONS, `${name}_reduce1.npy`)).data);
  },
);

test('reduce_zero_label ignores 0, keeps 255 ignored, and moves the rest down', () => {
  const labels = Uint8Array.of(0, 1, 2, 150, 254, 255);
  reduceZeroLabel(labels);
  expect([...labels]).toEqual([255, 0, 1, 149, 253, 255]);
});

test('the two resizes of the test pipeline are not merged into one', () => {
  const image = { width: 101, height: 77, data: new Uint8Array(101 * 77 * 3).map((_, i) => (i * 89) % 256) };
  const twice = resizeForTest(image, { type: 'short-side', shortSidePx: 56, multiplePx: 14 });
  const once = resizeForTest(image, { type: 'exact', widthPx: twice.width, heightPx: twice.height });
  expect([twice.width, twice.height]).toEqual([84, 56]);
  expect(twice.data).not.toEqual(once.data);
});
