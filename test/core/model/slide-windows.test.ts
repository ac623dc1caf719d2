import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { slideWindows, windowCount } from '../../../core/model/slide-windows.ts';

/** A model whose crops and strides are these. */
function slideModel(cropPx: number, stridePx: number) {
  return { sizePx: cropPx, test: { mode: 'slide' as const, cropPx, stridePx } };
}

const anyCase = fc
  .record({ crop: fc.integer({ min: 1, max: 40 }), more: fc.tuple(fc.nat(120), fc.nat(120)), step: fc.nat() })
  .map(({ crop, more: [wider, higher], step }) => ({
    image: { width: crop + wider, height: crop + higher },
    crop,
    stride: 1 + (step % crop),
  }));

describe('any image that is no smaller than a crop', () => {
  test('is covered pixel by pixel', () => {
    fc.assert(
      fc.property(anyCase, ({ image, crop, stride }) => {
        const grid = slideWindows(image, slideModel(crop, stride))!;
        expect(uncovered(grid.tops, crop, image.height)).toEqual([]);
        expect(uncovered(grid.lefts, crop, image.width)).toEqual([]);
      }),
    );
  });

  test('has windows within it, the first at 0, the last at the border, strides apart but for the last', () => {
    fc.assert(
      fc.property(anyCase, ({ image, crop, stride }) => {
        const grid = slideWindows(image, slideModel(crop, stride))!;
        for (const [starts, side] of [
          [grid.tops, image.height],
          [grid.lefts, image.width],
        ] as const) {
          expect(starts[0]).toBe(0);
          expect(starts.at(-1)! + crop).toBe(side);
          starts.slice(1, -1).forEach((start, i) => {
            expect(start - starts[i]!).toBe(stride);
          });
        }
      }),
    );
  });

  test("makes as many crops as mmseg's formula says", () => {
    fc.assert(
      fc.property(anyCase, ({ image, crop, stride }) => {
        const grid = slideWindows(image, slideModel(crop, stride))!;
        const along = (side: number) => Math.floor(Math.max(side - crop + stride - 1, 0) / stride) + 1;
        expect([grid.tops.length, grid.lefts.length]).toEqual([along(image.height), along(image.width)]);
        expect(windowCount(grid)).toBe(along(image.height) * along(image.width));
      }),
    );
  });
});

test("the 6B's crops of ADE20K's usual 686×504", () => {
  const grid = slideWindows({ width: 686, height: 504 }, slideModel(504, 322));
  expect(grid).toEqual({ heightPx: 504, widthPx: 504, tops: [0], lefts: [0, 182] });
});

test('an image that is smaller than a crop, in either direction, has no windows', () => {
  expect(slideWindows({ width: 27, height: 28 }, slideModel(28, 20))).toBeNull();
  expect(slideWindows({ width: 28, height: 27 }, slideModel(28, 20))).toBeNull();
  expect(slideWindows({ width: 28, height: 28 }, slideModel(28, 20))).not.toBeNull();
});

test('whole mode is one window, and only of an image of just that size', () => {
  const whole = { sizePx: 28, test: { mode: 'whole' as const } };
  expect(slideWindows({ width: 28, height: 28 }, whole)).toEqual({
    heightPx: 28,
    widthPx: 28,
    tops: [0],
    lefts: [0],
  });
  expect(slideWindows({ width: 42, height: 28 }, whole)).toBeNull();
});

function uncovered(starts: number[], crop: number, side: number): number[] {
  const pixels = Array.from({ length: side }, (_, i) => i);
  return pixels.filter((pixel) => !starts.some((start) => start <= pixel && pixel < start + crop));
}
