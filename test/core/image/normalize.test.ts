import { join } from 'node:path';
import { expect, test } from 'vitest';
import { normalize, padImage, padLabels } from '../../../core/image/normalize.ts';
import { tinyConfig } from '../../builders.ts';
import { readNpy } from '../../golden/check/npy.ts';
import { goldenFolder } from '../../golden-folder.ts';

test("each byte becomes the original's number, bit for bit", () => {
  const expected = readNpy(join(goldenFolder(), 'preprocessing/normalize_lut.npy'));
  expect(expected.shape).toEqual([256, 3]);
  const greys = Uint8Array.from({ length: 256 * 3 }, (_, i) => Math.floor(i / 3));
  expect(normalize({ width: 256, height: 1, data: greys }, tinyConfig().pipeline)).toEqual(expected.data);
});

test('what a crop lacks below and to the right is 0 in the image and ignored in the labels', () => {
  const image = Float32Array.of(1, 2, 3, 4, 5, 6);
  expect([...padImage(image, 1, 3)]).toEqual([
    ...[1, 2, 3, 0, 0, 0, 0, 0, 0],
    ...[4, 5, 6, 0, 0, 0, 0, 0, 0],
    ...[0, 0, 0, 0, 0, 0, 0, 0, 0],
  ]);
  const labels = padLabels({ width: 1, height: 2, data: Uint8Array.of(7, 8) }, 3);
  expect([...labels]).toEqual([7, 255, 255, 8, 255, 255, 255, 255, 255]);
});

test('what fills its square is as it was', () => {
  const image = Float32Array.from({ length: 12 }, (_, i) => i);
  expect(padImage(image, 2, 2)).toEqual(image);
});
