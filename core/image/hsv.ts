import { type RgbImage, roundHalfEven } from './resize.ts';

/** Hue is in half degrees, so that it fits a byte. */
export const HUES = 180;

/** Fixed point of OpenCV's division tables. */
const SHIFT = 12;
const HALF = 1 << (SHIFT - 1);
/** `table[i]` is about `numerator / i`. */
const divisionTable = (numerator: number) =>
  Int32Array.from({ length: 256 }, (_, i) => (i === 0 ? 0 : roundHalfEven((numerator << SHIFT) / i)));
const SATURATION_DIVISION = divisionTable(255);
const HUE_DIVISION = divisionTable(HUES / 6);

/** OpenCV converts back so many pixels at a time, and what is left of a row one by one. */
const VECTOR_PIXELS = 32;

const { fround } = Math;
/** Of each hue: how far round the circle in sixths, whole and rest. */
const SIXTHS = Float32Array.from({ length: HUES }, (_, hue) => hue * fround(6 / HUES));
const SECTOR = Uint8Array.from(SIXTHS, (sixths) => Math.trunc(sixths));
const FRACTION = Float32Array.from(SIXTHS, (sixths) => sixths - Math.trunc(sixths));
const UNIT = Float32Array.from({ length: 256 }, (_, byte) => byte * fround(1 / 255));
/** Which of the four candidates red, green and blue are in each sector. */
const RED = Uint8Array.of(0, 2, 1, 1, 3, 0);
const GREEN = Uint8Array.of(3, 0, 0, 2, 1, 1);
const BLUE = Uint8Array.of(1, 1, 3, 0, 0, 2);

/** What to make of each hue (below 180), or of each saturation. */
export type HsvChange = { hue: Uint8Array } | { saturation: Uint8Array };

/**
 * Takes an image to hue, saturation and value, replaces one of them by a table, and takes it back, to exactly the
 * bytes that OpenCV gives. Its way back rounds down where the processor's vectors reach, and to the nearest in what
 * is left of each row: the last (width mod 32) pixels.
 *
 * @see OpenCV 4.9 `cvtColor` BGR2HSV and HSV2BGR on x86-64 with AVX2 and FMA; measured against it for every colour
 */
export function changeHsv({ width, height, data }: RgbImage, change: HsvChange): RgbImage {
  const hues = 'hue' in change ? change.hue : null;
  const saturations = 'saturation' in change ? change.saturation : null;
  const out = new Uint8Array(data.length);
  const candidates = new Float32Array(4);
  const vectorEnd = width - (width % VECTOR_PIXELS);
  for (let i = 0, x = 0; i < data.length; i += 3, x = x + 1 === width ? 0 : x + 1) {
    const r = data[i]!;
    const g = data[i + 1]!;
    const b = data[i + 2]!;
    const value = Math.max(r, g, b);
    const range = value - Math.min(r, g, b);
    const sixth = value === r ? g - b : value === g ? b - r + 2 * range : r - g + 4 * range;
    let hue = (sixth * HUE_DIVISION[range]! + HALF) >> SHIFT;
    if (hue < 0) hue += HUES;
    let saturation = (range * SATURATION_DIVISION[value]! + HALF) >> SHIFT;
    if (hues) hue = hues[hue]!;
    if (saturations) saturation = saturations[saturation]!;

    const v = UNIT[value]!;
    const s = UNIT[saturation]!;
    const fraction = FRACTION[hue]!;
    candidates[0] = v;
    candidates[1] = v * fround(1 - s);
    // Multiplied and subtracted with one rounding, as the processor's fused instruction does.
    candidates[2] = v * fround(1 - s * fraction);
    candidates[3] = v * fround(1 - s * fround(1 - fraction));
    const sector = SECTOR[hue]!;
    const red = fround(candidates[RED[sector]!]! * 255);
    const green = fround(candidates[GREEN[sector]!]! * 255);
    const blue = fround(candidates[BLUE[sector]!]! * 255);
    if (x < vectorEnd) {
      out[i] = red;
      out[i + 1] = green;
      out[i + 2] = blue;
    } else {
      out[i] = roundHalfEven(red);
      out[i + 1] = roundHalfEven(green);
      out[i + 2] = roundHalfEven(blue);
    }
  }
  return { width, height, data: out };
}
