import { BadData } from '../config/failures.ts';
import type { ImageMatrices } from './image-matrices.ts';

/** Numbers of an entry of `PairedAreas`: label area, then predicted area and intersection of the one run and the other. */
export const AREAS = 5;

/** Areas of each image and class in two runs: what IoU and Acc are made of, without the rest of the matrices. */
export interface PairedAreas {
  images: number;
  classes: number;
  /** `[images + 1]`: image i holds entries `rows[i]` to `rows[i + 1]`. */
  rows: Uint32Array;
  /** Class of each entry. */
  class: Uint16Array;
  /** `[entries, 5]`, pixels. */
  areas: Float64Array;
}

/** @throws BadData if the two are not of the same images, classes and labels */
export function pairAreas(a: ImageMatrices, b: ImageMatrices): PairedAreas {
  const { classes } = a;
  const images = a.ids.length;
  if (classes !== b.classes)
    throw new BadData(`per-image matrices: of ${classes} and of ${b.classes} classes`);
  const other = a.ids.findIndex((id, i) => id !== b.ids[i]);
  if (other >= 0 || images !== b.ids.length)
    throw new BadData(
      `per-image matrices: image ${Math.max(0, other)} is ${a.ids[other]} in one and ${b.ids[other]} in the other`,
    );
  const rows = new Uint32Array(images + 1);
  const found: number[] = [];
  const areas: number[] = [];
  const image = new Float64Array(classes * AREAS);
  const labelsOfB = new Float64Array(classes);
  for (let i = 0; i < images; i++) {
    image.fill(0);
    labelsOfB.fill(0);
    for (let entry = a.rows[i]!; entry < a.rows[i + 1]!; entry++) {
      const { label, prediction, count } = entryOf(a, entry);
      image[label * AREAS]! += count;
      image[prediction * AREAS + 1]! += count;
      if (label === prediction) image[label * AREAS + 2]! += count;
    }
    for (let entry = b.rows[i]!; entry < b.rows[i + 1]!; entry++) {
      const { label, prediction, count } = entryOf(b, entry);
      labelsOfB[label]! += count;
      image[prediction * AREAS + 3]! += count;
      if (label === prediction) image[label * AREAS + 4]! += count;
    }
    for (let index = 0; index < classes; index++) {
      const [label, ...predicted] = image.subarray(index * AREAS, (index + 1) * AREAS);
      if (label !== labelsOfB[index])
        throw new BadData(
          `per-image matrices: ${a.ids[i]} has ${label} label pixels of class ${index} in one and ${labelsOfB[index]} in the other`,
        );
      if (label === 0 && predicted[0] === 0 && predicted[2] === 0) continue;
      found.push(index);
      areas.push(label!, ...predicted);
    }
    rows[i + 1] = found.length;
  }
  return { images, classes, rows, class: Uint16Array.from(found), areas: Float64Array.from(areas) };
}

/**
 * Areas of each class over some images, `[classes, 5]`.
 *
 * @param times how often each image counts
 * @param into where they are written
 */
export function sumAreas(paired: PairedAreas, times: Uint32Array, into: Float64Array): void {
  const { images, rows, areas } = paired;
  into.fill(0);
  for (let i = 0; i < images; i++) {
    const weight = times[i]!;
    if (weight === 0) continue;
    const end = rows[i + 1]!;
    for (let entry = rows[i]!; entry < end; entry++) {
      const to = paired.class[entry]! * AREAS;
      const from = entry * AREAS;
      into[to]! += weight * areas[from]!;
      into[to + 1]! += weight * areas[from + 1]!;
      into[to + 2]! += weight * areas[from + 2]!;
      into[to + 3]! += weight * areas[from + 3]!;
      into[to + 4]! += weight * areas[from + 4]!;
    }
  }
}

/** In how many images each class is labelled, or predicted by either run. */
export function imagesOfClasses({ classes, class: found }: PairedAreas): number[] {
  const images = new Array<number>(classes).fill(0);
  for (const index of found) images[index]! += 1;
  return images;
}

function entryOf({ classes, cells, counts }: ImageMatrices, entry: number) {
  const cell = cells[entry]!;
  return { label: Math.floor(cell / classes), prediction: cell % classes, count: counts[entry]! };
}
