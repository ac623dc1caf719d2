import { BadData } from '../config/failures.ts';
import type { Labels } from '../image/label-map.ts';

/**
 * How often each class was taken for each other one, in pixels.
 *
 * `counts` is `[classes, classes]` in C order, rows: label, columns: prediction. Every entry is
 * a safe integer: doubles hold integers up to 2^53, and addition of such integers is exact in any order.
 */
export interface ConfusionMatrix {
  classes: number;
  counts: Float64Array;
}

/** Held here since a workflow's sandbox looks a global up slowly: at 22,500 entries a matrix it took most of a run's time. */
const { isSafeInteger } = Number;

/** Of the largest matrix: 8 MB, and a cell's number fits 32 bits. The largest public dataset has 847 classes. */
export const MAX_CLASSES = 1024;

/** A matrix of zeros. @throws BadData if `classes` isn't in 1…1024 */
export function emptyMatrix(classes: number): ConfusionMatrix {
  if (!Number.isInteger(classes) || classes < 1 || classes > MAX_CLASSES) {
    throw new BadData(`confusion matrix: ${classes} classes, should be 1 to ${MAX_CLASSES}`);
  }
  return { classes, counts: new Float64Array(classes * classes) };
}

/** One image's own matrix, sparse. */
export interface ImageCounts {
  labelledPixels: number;
  /** `label × classes + prediction` of each pair that occurs, ascending. */
  cells: Uint32Array;
  /** Pixels of each cell. */
  counts: Uint32Array;
}

/**
 * Counts one image's pixels into `matrix`.
 *
 * @param labels one a pixel; `ignoreIndex` means that the pixel isn't counted
 * @param predictions the same pixels in the same order
 * @returns what was counted of this image
 * @throws BadData if the sizes differ, or a label or prediction is out of range; `matrix` is unchanged then
 * @see mmseg 0.30 `intersect_and_union`, which drops pixels by their label only
 */
export function countPixels(
  matrix: ConfusionMatrix,
  labels: Labels,
  predictions: Labels,
  ignoreIndex: number,
): ImageCounts {
  const { classes } = matrix;
  checkPixels(classes, labels, predictions, ignoreIndex);
  // Some 0.02 ms of a count's milliseconds, and integers are counted faster than the matrix's doubles.
  const image = new Uint32Array(classes * classes);
  let labelledPixels = 0;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (label === ignoreIndex) continue;
    image[label * classes + predictions[i]!]! += 1;
    labelledPixels += 1;
  }
  const cells: number[] = [];
  for (let cell = 0; cell < image.length; cell++) if (image[cell] !== 0) cells.push(cell);
  const counts = Uint32Array.from(cells, (cell) => image[cell]!);
  cells.forEach((cell, i) => {
    matrix.counts[cell]! += counts[i]!;
  });
  return { labelledPixels, cells: Uint32Array.from(cells), counts };
}

/** Adds `other` to `into`. @throws BadData if their sizes differ, or a sum would no longer be exact */
export function addMatrix(into: ConfusionMatrix, other: ConfusionMatrix): void {
  if (into.classes !== other.classes) {
    throw new BadData(`confusion matrix: ${other.classes} classes added to ${into.classes}`);
  }
  const { counts } = other;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i]!;
    if (count === 0) continue; // Most of them: a shard meets few pairs of classes.
    const sum = into.counts[i]! + count;
    if (!isSafeInteger(sum)) {
      throw new BadData(`confusion matrix: ${cellName(into, i)} is ${sum}, which is no exact integer`);
    }
    into.counts[i] = sum;
  }
}

/** All pixels that were counted. @throws BadData if there are too many to be exact */
export function total(matrix: ConfusionMatrix): number {
  let sum = 0;
  for (const count of matrix.counts) sum += count;
  if (!Number.isSafeInteger(sum)) throw new BadData(`confusion matrix: ${sum} pixels is no exact integer`);
  return sum;
}

/** Names an entry for a message. */
export function cellName(matrix: { classes: number }, index: number): string {
  return `label ${Math.floor(index / matrix.classes)}, prediction ${index % matrix.classes}`;
}

function checkPixels(classes: number, labels: Labels, predictions: Labels, ignoreIndex: number) {
  if (labels.length !== predictions.length) {
    throw new BadData(`label map has ${labels.length} pixels, prediction has ${predictions.length}`);
  }
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (label >= classes && label !== ignoreIndex) {
      throw new BadData(
        `label map: pixel ${i} is class ${label}, should be 0 to ${classes - 1}, or ${ignoreIndex} for ignored`,
      );
    }
    if (predictions[i]! >= classes) {
      throw new BadData(`prediction: pixel ${i} is class ${predictions[i]}, should be 0 to ${classes - 1}`);
    }
  }
}
