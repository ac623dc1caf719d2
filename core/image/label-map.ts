import { BadInput } from '../config/failures.ts';
import type { Window } from './resize.ts';
import type { Size } from './test-size.ts';

/** Label of pixels whose class isn't known: of padding, and of what a dataset ignores. */
export const IGNORED_LABEL = 255;
/** Likewise, in label maps of 16 bits. */
export const WIDE_IGNORED_LABEL = 65_535;

/** A label a pixel: a byte each, or 16 bits where there are more than 255 classes. */
export type Labels = Uint8Array | Uint16Array;

/** A class for each pixel, 255 (of 16 bits: 65535) where it is not known: `data` is `[height, width]`. */
export interface LabelMap<L extends Labels = Uint8Array> {
  width: number;
  height: number;
  data: L;
}

/** Whether so many classes need label maps of 16 bits: of a byte's values one means "ignored". */
export function isWide(classes: number): boolean {
  return classes > IGNORED_LABEL;
}

/** The value of pixels without a class in label maps of so many classes. */
export function ignoredLabel(classes: number): number {
  return isWide(classes) ? WIDE_IGNORED_LABEL : IGNORED_LABEL;
}

/** A label map of bytes. @throws BadInput naming it if it has 16 bits a pixel, which trainings don't take */
export function inBytes({ width, height, data }: LabelMap<Labels>, name: string): LabelMap {
  if (data instanceof Uint8Array) return { width, height, data };
  throw new BadInput(`${name}: labels of 16 bits; expected bytes: at most 255 classes`);
}

/** Labels for so many classes and pixels, all 0. */
export function emptyLabels(classes: number, pixels: number): Labels {
  return isWide(classes) ? new Uint16Array(pixels) : new Uint8Array(pixels);
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
