import type { ConfusionMatrix } from './confusion-matrix.ts';

/** Pixels of class `label` that were taken for class `prediction`. */
export interface Confusion {
  label: number;
  prediction: number;
  pixels: number;
  /** Of all pixels of the label, 0…1. */
  shareOfLabel: number;
}

/** Every pair of different classes that was confused, most pixels first, then by class numbers. */
export function worstConfusions({ classes, counts }: ConfusionMatrix): Confusion[] {
  const confusions: Confusion[] = [];
  for (let label = 0; label < classes; label++) {
    const row = counts.subarray(label * classes, (label + 1) * classes);
    const labelPixels = row.reduce((sum, count) => sum + count, 0);
    row.forEach((pixels, prediction) => {
      if (pixels === 0 || prediction === label) return;
      confusions.push({ label, prediction, pixels, shareOfLabel: pixels / labelPixels });
    });
  }
  // The sort is stable, so pairs of equal size stay in the order of the matrix.
  return confusions.sort((a, b) => b.pixels - a.pixels);
}

/** The first `limit` classes that the confusions name, in the order of their class numbers. */
export function confusedClasses(confusions: readonly Confusion[], limit: number): number[] {
  const involved = new Set<number>();
  for (const { label, prediction } of confusions) {
    for (const index of [label, prediction]) {
      if (involved.size < limit) involved.add(index);
    }
  }
  return [...involved].sort((a, b) => a - b);
}
