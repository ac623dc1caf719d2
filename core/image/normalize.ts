import type { Config } from '../config/config.ts';
import { IGNORED_LABEL, type LabelMap } from './label-map.ts';
import type { RgbImage } from './resize.ts';

/** Mean and standard deviation of each channel, and whose arithmetic: OpenCV's if nothing is said. */
export type Normalization = Pick<Config['pipeline'], 'mean' | 'std'> &
  Partial<Pick<Config['pipeline'], 'normalization'>>;

/**
 * Bytes to numbers around 0.
 *
 * @returns `[height, width, 3]` float32
 * @see mmcv 1.7 `imnormalize`, whose product OpenCV rounds once, from a float32 difference and a float64 factor;
 *   torchvision `Normalize`
 */
export function normalize({ data }: RgbImage, { mean, std, normalization }: Normalization): Float32Array {
  const { fround } = Math;
  const tables = [0, 1, 2].map((c) =>
    Float32Array.from({ length: 256 }, (_, v) => {
      const centred = fround(v - fround(mean[c]!));
      const divisor = fround(std[c]!);
      return normalization === 'torch' ? centred / divisor : centred * (1 / divisor);
    }),
  );
  const [red, green, blue] = tables as [Float32Array, Float32Array, Float32Array];
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    out[i] = red[data[i]!]!;
    out[i + 1] = green[data[i + 1]!]!;
    out[i + 2] = blue[data[i + 2]!]!;
  }
  return out;
}

/** Puts an array of rows into the upper left of a square that is otherwise as it was given. @see mmcv `impad` */
function padRows<T extends Uint8Array | Float32Array>(
  rows: T,
  rowLength: number,
  padded: T,
  side: number,
): T {
  for (let y = 0, start = 0; start < rows.length; y++, start += rowLength)
    padded.set(rows.subarray(start, start + rowLength), y * side);
  return padded;
}

/** Pads a normalised image below and to the right with zeros. @returns `[side, side, 3]` */
export function padImage(image: Float32Array, width: number, side: number): Float32Array {
  return padRows(image, width * 3, new Float32Array(side * side * 3), side * 3);
}

/** Pads a label map below and to the right with labels to ignore. @returns `[side, side]` */
export function padLabels({ width, data }: LabelMap, side: number): Uint8Array {
  return padRows(data, width, new Uint8Array(side * side).fill(IGNORED_LABEL), side);
}
