import { BadData } from '../config/failures.ts';
import { type ConfusionMatrix, emptyMatrix, type ImageCounts } from './confusion-matrix.ts';

/**
 * The confusion matrix of each image, sparse: rows of a CSR matrix `[images, classes × classes]`.
 *
 * Image i holds entries `rows[i]` to `rows[i + 1]`; an entry is a cell, `label × classes + prediction`, ascending
 * in each image, and how many pixels it counts. Cells without pixels are left out.
 */
export interface ImageMatrices {
  classes: number;
  /** In the manifest's order. */
  ids: string[];
  /** `[images + 1]`. */
  rows: Uint32Array;
  cells: Uint32Array;
  counts: Uint32Array;
}

/** Puts counted images one below the other. */
export function stackImages(classes: number, images: { id: string; counted: ImageCounts }[]): ImageMatrices {
  return joinMatrices(
    classes,
    images.map(({ id, counted: { cells, counts } }) => ({
      classes,
      ids: [id],
      rows: Uint32Array.of(0, cells.length),
      cells,
      counts,
    })),
  );
}

/** Puts the images of several parts one below the other. @throws BadData if a part has other classes */
export function joinMatrices(classes: number, parts: ImageMatrices[]): ImageMatrices {
  const other = parts.find((part) => part.classes !== classes);
  if (other) throw new BadData(`per-image matrices: ${other.classes} classes, should be ${classes}`);
  const entries = parts.reduce((sum, { cells }) => sum + cells.length, 0);
  const ids = parts.flatMap((part) => part.ids);
  const rows = new Uint32Array(ids.length + 1);
  const cells = new Uint32Array(entries);
  const counts = new Uint32Array(entries);
  let row = 0;
  let at = 0;
  for (const part of parts) {
    for (let i = 1; i < part.rows.length; i++) rows[++row] = at + part.rows[i]!;
    cells.set(part.cells, at);
    counts.set(part.counts, at);
    at += part.cells.length;
  }
  return { classes, ids, rows, cells, counts };
}

/** The confusion matrix of all images. */
export function sumOfImages({ classes, cells, counts }: ImageMatrices): ConfusionMatrix {
  const matrix = emptyMatrix(classes);
  for (let i = 0; i < cells.length; i++) matrix.counts[cells[i]!]! += counts[i]!;
  return matrix;
}
