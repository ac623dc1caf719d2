import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cropLabels, flipLabels, resizeNearest } from '../../../core/image/label-map.ts';
import { resizeBilinear, resizeWindow } from '../../../core/image/resize.ts';

const ROW = { width: 7, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7) };
const COLUMN = { width: 1, height: 7, data: ROW.data };

// Given by cv2 4.9 with INTER_NEAREST.
test.each([
  [3, [1, 3, 5]],
  [4, [1, 2, 4, 6]],
  [7, [1, 2, 3, 4, 5, 6, 7]],
  [10, [1, 1, 2, 3, 3, 4, 5, 5, 6, 7]],
])('seven labels resized to %i are those that OpenCV takes', (side, expected) => {
  expect(resizeNearest(ROW, { width: side, height: 1 })).toEqual({
    width: side,
    height: 1,
    data: Uint8Array.from(expected),
  });
  expect([...resizeNearest(COLUMN, { width: 1, height: side }).data]).toEqual(expected);
});

const GRID = { width: 4, height: 3, data: Uint8Array.of(0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23) };

test('a crop is the window of each row', () => {
  expect(cropLabels(GRID, { left: 1, top: 1, width: 2, height: 2 })).toEqual({
    width: 2,
    height: 2,
    data: Uint8Array.of(11, 12, 21, 22),
  });
});

test('a flip reverses each row', () => {
  expect([...flipLabels(GRID).data]).toEqual([3, 2, 1, 0, 13, 12, 11, 10, 23, 22, 21, 20]);
});

test('a window of a resized image is the same bytes as the whole one, cropped', () => {
  const side = fc.integer({ min: 1, max: 30 });
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(side, side, side, side, share, share, (width, height, toWidth, toHeight, x, y) => {
      const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 89) % 256);
      const image = { width, height, data };
      const left = Math.floor(x * (toWidth - 1));
      const top = Math.floor(y * (toHeight - 1));
      const window = { left, top, width: toWidth - left, height: Math.ceil((toHeight - top) / 2) };
      const whole = resizeBilinear(image, toWidth, toHeight);
      // Three channels as three label maps of one row of bytes.
      const cropped = cropLabels(
        { width: toWidth * 3, height: toHeight, data: whole.data },
        { ...window, left: left * 3, width: window.width * 3 },
      );
      const part = resizeWindow(image, { width: toWidth, height: toHeight }, window);
      expect(part.data).toEqual(cropped.data);
      expect([part.width, part.height]).toEqual([window.width, window.height]);
    }),
  );
});
