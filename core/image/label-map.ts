import type { Window } from './resize.ts';
import type { Size } from './test-size.ts';

/** Label of pixels whose class isn't known: of padding, and of what a dataset ignores. */
export const IGNORED_LABEL = 255;

/** A class for each pixel, 255 where it is not known: `data` is `[height, width]`. */
export interface LabelMap {
  width: number;
  height: number;
  data: Uint8Array;
}

/**
 * Resizes a label map to exactly the labels that OpenCV gives.
 *
 * @see OpenCV 4.9 `cv2.resize(…, INTER_NEAREST)`; measured against it
 */
export function resizeNearest(labels: LabelMap, { width, height }: Size): LabelMap {
  const columns = nearest(labels.width, width);
  const rows = nearest(labels.height, height);
  const data = new Uint8Array(width * height);
  for (let y = 0, out = 0; y < height; y++) {
    const start = rows[y]! * labels.width;
    for (let x = 0; x < width; x++, out++) data[out] = labels.data[start + columns[x]!]!;
  }
  return { width, height, data };
}

/** Source of each target pixel: the one at its upper left, not the one nearest to its centre. */
function nearest(source: number, target: number): Int32Array {
  const scale = 1 / (target / source);
  return Int32Array.from({ length: target }, (_, i) => Math.min(Math.floor(i * scale), source - 1));
}

export function cropLabels(labels: LabelMap, { left, top, width, height }: Window): LabelMap {
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const start = (top + y) * labels.width + left;
    data.set(labels.data.subarray(start, start + width), y * width);
  }
  return { width, height, data };
}

/** Mirrors a label map left to right. @see mmcv `imflip` */
export function flipLabels({ width, height, data }: LabelMap): LabelMap {
  return { width, height, data: mirrorRows(data, width, 1) };
}

/** Reverses the pixels of each row, and leaves the order of their channels. */
export function mirrorRows(data: Uint8Array, width: number, channels: number): Uint8Array {
  const out = new Uint8Array(data.length);
  const rowBytes = width * channels;
  for (let start = 0; start < data.length; start += rowBytes) {
    for (let from = start, to = start + rowBytes - channels; to >= start; from += channels, to -= channels)
      for (let c = 0; c < channels; c++) out[to + c] = data[from + c]!;
  }
  return out;
}
