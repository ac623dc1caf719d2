import { describe, expect, test } from 'vitest';
import { changeHsv, HUES } from '../../../core/image/hsv.ts';

const MORE_SATURATED = Uint8Array.from({ length: 256 }, (_, s) => Math.min(1.5 * s, 255));
const TURNED = Uint8Array.from({ length: HUES }, (_, hue) => (hue + 10) % HUES);

/** One colour in a row of 40 pixels, changed: the first pixel, which OpenCV's vectors reach, and the last. */
function ends(color: number[], change: Parameters<typeof changeHsv>[1]) {
  const data = Uint8Array.from({ length: 40 * 3 }, (_, i) => color[i % 3]!);
  const out = changeHsv({ width: 40, height: 1, data }, change).data;
  return [[...out.subarray(0, 3)], [...out.subarray(-3)]];
}

// Given by cv2 4.9: rounded down where vectors reach, to the nearest in the rest of the row.
describe('a colour becomes what OpenCV makes of it', () => {
  test.each([
    {
      rgb: [105, 78, 56],
      saturated: [
        [105, 63, 31],
        [105, 63, 32],
      ],
      turned: [
        [105, 93, 56],
        [105, 94, 56],
      ],
    },
    {
      rgb: [200, 30, 30],
      saturated: [
        [200, 0, 0],
        [200, 0, 0],
      ],
      turned: [
        [200, 86, 29],
        [200, 87, 30],
      ],
    },
    {
      rgb: [10, 20, 250],
      saturated: [
        [0, 8, 250],
        [0, 8, 250],
      ],
      turned: [
        [81, 9, 250],
        [82, 10, 250],
      ],
    },
    {
      rgb: [12, 200, 100],
      saturated: [
        [0, 200, 93],
        [0, 200, 93],
      ],
      turned: [
        [11, 200, 162],
        [12, 200, 162],
      ],
    },
  ])('$rgb', ({ rgb, saturated, turned }) => {
    expect(ends(rgb, { saturation: MORE_SATURATED })).toEqual(saturated);
    expect(ends(rgb, { hue: TURNED })).toEqual(turned);
  });
});

test.each([0, 1, 77, 128, 254, 255])('grey %i stays grey: it has neither hue nor saturation', (grey) => {
  const same = [grey, grey, grey];
  expect(ends(same, { saturation: MORE_SATURATED })).toEqual([same, same]);
  expect(ends(same, { hue: TURNED })).toEqual([same, same]);
});
