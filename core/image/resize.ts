import type { Size } from './test-size.ts';

/** An 8-bit RGB image, rows from the top: `data` is `[height, width, 3]`. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
}

/** A part of an image, pixels. */
export interface Window {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Fixed point of OpenCV's 8-bit resize: coefficients are multiples of 1/2048. */
const COEFFICIENT_BITS = 11;
const ONE = 1 << COEFFICIENT_BITS;

/**
 * Resizes an image to exactly the bytes that OpenCV gives.
 *
 * @returns `[height, width, 3]`, uint8
 * @see OpenCV 4.9 `cv2.resize(…, INTER_LINEAR)` on 8-bit images; facts measured against it byte for byte
 */
export function resizeBilinear(image: RgbImage, width: number, height: number): RgbImage {
  // A copy: what comes out may be moved to another thread, and the input be needed again.
  if (width === image.width && height === image.height) return { ...image, data: image.data.slice() };
  return resizeWindow(image, { width, height }, { left: 0, top: 0, width, height });
}

/**
 * A window of an image that is resized to `size`: the same bytes as resizing and then cropping, and only their work.
 *
 * @returns `[window.height, window.width, 3]`, uint8
 */
export function resizeWindow(image: RgbImage, size: Size, { left, top, width, height }: Window): RgbImage {
  const columns = horizontalTaps(image.width, size.width, { from: left, count: width });
  const rows = verticalTaps(image.height, size.height, { from: top, count: height });
  const data = new Uint8Array(width * height * 3);
  // Neighbouring output rows share input rows, so the last two stretched rows are kept.
  const cache: StretchedRow[] = [
    { index: -1, values: new Int32Array(width * 3) },
    { index: -1, values: new Int32Array(width * 3) },
  ];
  for (let y = 0; y < height; y++) {
    const upper = stretchedRow(image, rows.first[y]!, columns, cache, rows.second[y]!);
    const lower = stretchedRow(image, rows.second[y]!, columns, cache, rows.first[y]!);
    const b0 = rows.weight0[y]!;
    const b1 = rows.weight1[y]!;
    const start = y * width * 3;
    for (let i = 0; i < width * 3; i++) {
      // The two terms are shifted one by one, as OpenCV's vector code does: adding first differs by one.
      const sum = ((b0 * (upper[i]! >> 4)) >> 16) + ((b1 * (lower[i]! >> 4)) >> 16);
      data[start + i] = (sum + 2) >> 2;
    }
  }
  return { width, height, data };
}

interface StretchedRow {
  index: number;
  values: Int32Array;
}

interface Taps {
  first: Int32Array;
  second: Int32Array;
  weight0: Int32Array;
  weight1: Int32Array;
}

function stretchedRow(
  image: RgbImage,
  index: number,
  columns: Taps,
  cache: StretchedRow[],
  keep: number,
): Int32Array {
  const hit = cache.find((row) => row.index === index);
  if (hit) return hit.values;
  const row = cache.find((candidate) => candidate.index !== keep) as StretchedRow;
  row.index = index;
  const { first, second, weight0, weight1 } = columns;
  const source = image.data;
  const start = index * image.width * 3;
  const out = row.values;
  for (let x = 0, o = 0; x < first.length; x++, o += 3) {
    const p = start + first[x]! * 3;
    const q = start + second[x]! * 3;
    const a0 = weight0[x]!;
    const a1 = weight1[x]!;
    out[o] = source[p]! * a0 + source[q]! * a1;
    out[o + 1] = source[p + 1]! * a0 + source[q + 1]! * a1;
    out[o + 2] = source[p + 2]! * a0 + source[q + 2]! * a1;
  }
  return out;
}

/** Left of the first and right of the last pixel that pixel counts alone. */
function horizontalTaps(source: number, target: number, part: Part): Taps {
  return taps(source, target, part, (index, fraction) =>
    index < 0
      ? { first: 0, second: 0, fraction: 0 }
      : index >= source - 1
        ? { first: source - 1, second: source - 1, fraction: 0 }
        : { first: index, second: index + 1, fraction },
  );
}

/** Rows are clamped but the fraction isn't: with two truncated terms a clamped one would be one too high. */
function verticalTaps(source: number, target: number, part: Part): Taps {
  const clamp = (row: number) => Math.min(Math.max(row, 0), source - 1);
  return taps(source, target, part, (index, fraction) => ({
    first: clamp(index),
    second: clamp(index + 1),
    fraction,
  }));
}

type Border = (index: number, fraction: number) => { first: number; second: number; fraction: number };

/** Which of a side's target pixels are asked for. */
interface Part {
  from: number;
  count: number;
}

function taps(source: number, target: number, { from, count }: Part, border: Border): Taps {
  const result: Taps = {
    first: new Int32Array(count),
    second: new Int32Array(count),
    weight0: new Int32Array(count),
    weight1: new Int32Array(count),
  };
  const scale = 1 / (target / source);
  for (let i = 0; i < count; i++) {
    const position = Math.fround((from + i + 0.5) * scale - 0.5);
    const index = Math.floor(position);
    const { first, second, fraction } = border(index, Math.fround(position - index));
    result.first[i] = first;
    result.second[i] = second;
    result.weight0[i] = roundHalfEven(Math.fround(1 - fraction) * ONE);
    result.weight1[i] = roundHalfEven(fraction * ONE);
  }
  return result;
}

/** To the nearest integer, a half to the even one, as C's `rint` does. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
