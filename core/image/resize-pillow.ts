import type { RgbImage } from './resize.ts';

/** Fixed point of Pillow's 8-bit resize. */
const PRECISION_BITS = 22;
const HALF = 2 ** (PRECISION_BITS - 1);
const ONE = 2 ** PRECISION_BITS;

/** Input pixels of one output pixel along an axis, and their integer weights. */
interface Span {
  first: number;
  weights: Int32Array;
}

/**
 * Resizes an image to exactly the bytes that Pillow gives: antialiased bilinear, columns first, then rows, rounded to
 * bytes between the two.
 *
 * @returns `[height, width, 3]`, uint8
 * @see Pillow 11.3 `Image.resize(…, BILINEAR)`, src/libImaging/Resample.c
 */
export function resizeWithPillow(image: RgbImage, width: number, height: number): RgbImage {
  // A copy: what comes out may be moved to another thread, and the input be needed again.
  if (width === image.width && height === image.height) return { ...image, data: image.data.slice() };
  return resizeRows(resizeColumns(image, width), height);
}

function resizeColumns(image: RgbImage, width: number): RgbImage {
  if (width === image.width) return image;
  const spans = spansOf(image.width, width);
  const data = new Uint8Array(width * image.height * 3);
  for (let y = 0, at = 0; y < image.height; y++)
    for (const { first, weights } of spans)
      for (let c = 0; c < 3; c++)
        data[at++] = weighted(image.data, (y * image.width + first) * 3 + c, 3, weights);
  return { width, height: image.height, data };
}

function resizeRows(image: RgbImage, height: number): RgbImage {
  if (height === image.height) return image;
  const rowLength = image.width * 3;
  const data = new Uint8Array(rowLength * height);
  for (const [y, { first, weights }] of spansOf(image.height, height).entries())
    for (let i = 0; i < rowLength; i++)
      data[y * rowLength + i] = weighted(image.data, first * rowLength + i, rowLength, weights);
  return { width: image.width, height, data };
}

/** The sum stays below 2^31: weights add up to 2^22, and bytes have 8 bits. */
function weighted(data: Uint8Array, from: number, step: number, weights: Int32Array): number {
  let sum = HALF;
  for (let i = 0, at = from; i < weights.length; i++, at += step) sum += data[at]! * weights[i]!;
  return Math.min(Math.max(sum >> PRECISION_BITS, 0), 255);
}

function spansOf(from: number, to: number): Span[] {
  const scale = from / to;
  const width = Math.max(scale, 1);
  return Array.from({ length: to }, (_, target) => {
    const centre = (target + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - width + 0.5), 0);
    const end = Math.min(Math.trunc(centre + width + 0.5), from);
    const exact = Array.from({ length: end - first }, (_, i) =>
      Math.max(1 - Math.abs((first + i - centre + 0.5) * (1 / width)), 0),
    );
    const total = exact.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: Int32Array.from(exact, (weight) => Math.trunc((weight / total) * ONE + 0.5)) };
  });
}
