import { deviation, percentileInterval, resamples } from './bootstrap.ts';
import type { ImageMatrices } from './image-matrices.ts';
import { AREAS, imagesOfClasses, pairAreas, sumAreas } from './paired-areas.ts';
import { benjaminiHochberg, twoSidedP } from './significance.ts';

export interface Bootstrap {
  resamples: number;
  seed: number;
  /** Of intervals, such as 0.95; and 1 minus the share of marked classes that may be false. */
  confidence: number;
}

export const BOOTSTRAP: Bootstrap = { resamples: 2_000, seed: 1, confidence: 0.95 };

/** Of fewer images, resamples show too little of what other images would have been: intervals are too narrow. */
export const MIN_IMAGES = 10;

/** Lower and upper end. */
export type Interval = [number, number];

export interface ClassCertainty {
  interval: Interval;
  /** Two-sided, by the difference in bootstrap standard errors. */
  p: number;
  /** Holds although many classes were looked at. */
  significant: boolean;
}

/** How sure the differences are. `null`: it can't be computed. */
export interface Certainty {
  mIoU: Interval | null;
  mAcc: Interval | null;
  aAcc: Interval | null;
  perClass: { images: number; certainty: ClassCertainty | null }[];
}

/**
 * How sure the differences between two runs on the same images are, by a paired bootstrap over images: images are drawn
 * with replacement, the same ones for both runs, and the metrics of each resample are computed as mmseg computes them.
 * What both runs find difficult cancels out, so intervals are far narrower than those of each run alone. A difference
 * is b − a.
 *
 * Intervals are percentiles. A class that is nan in a run of a resample is left out of that run's means, as `np.nanmean`
 * does, and its own difference is left out where it is nan in either run. Classes in fewer than 10 images have no interval.
 *
 * Of 150 intervals of 95 %, seven exclude 0 by chance alone. So a class has two marks: its interval, which is about this
 * class alone, and `significant`, by Benjamini–Hochberg over all classes: of the classes so marked, 5 % are expected to be
 * false. It asks for smaller p than the percentiles of 2,000 resamples can show, so p is that of a normal distribution with
 * the bootstrap's standard error. Bonferroni would allow no false class at all; of 150 classes it finds next to none.
 *
 * @throws BadData if the two are not of the same images, classes and labels
 * @see Efron and Tibshirani, An Introduction to the Bootstrap, 1993
 */
export function compareMatrices(
  a: ImageMatrices,
  b: ImageMatrices,
  options: Bootstrap = BOOTSTRAP,
): Certainty {
  const paired = pairAreas(a, b);
  const { classes } = paired;
  const { resamples: count, seed, confidence } = options;
  const sums = new Float64Array(classes * AREAS);
  const columns = Array.from({ length: MEANS + classes }, () => new Float64Array(count));
  let row = 0;
  for (const times of resamples(paired.images, count, seed)) {
    sumAreas(paired, times, sums);
    differencesOf(sums).forEach((difference, column) => {
      columns[column]![row] = difference;
    });
    row += 1;
  }
  sumAreas(paired, new Uint32Array(paired.images).fill(1), sums);
  const whole = differencesOf(sums);

  const [mIoU, mAcc, aAcc, ...perClass] = columns.map((column) =>
    column.filter((value) => !Number.isNaN(value)),
  );
  const intervalOf = (values: Float64Array, images: number) =>
    images < MIN_IMAGES || values.length === 0 ? null : percentileInterval(values, confidence);
  const images = imagesOfClasses(paired);
  const found = perClass.map((values, index) => {
    const interval = intervalOf(values, images[index]!);
    return interval && { interval, p: pOf(whole[MEANS + index]!, deviation(values)), significant: false };
  });
  const known = found.filter((certainty) => certainty !== null);
  const ps = known.map(({ p }) => p);
  benjaminiHochberg(ps, 1 - confidence).forEach((holds, i) => {
    known[i]!.significant = holds;
  });
  return {
    mIoU: intervalOf(mIoU!, paired.images),
    mAcc: intervalOf(mAcc!, paired.images),
    aAcc: intervalOf(aAcc!, paired.images),
    perClass: found.map((certainty, index) => ({ images: images[index]!, certainty })),
  };
}

/** Differences of mIoU, mAcc, aAcc stand before those of the classes. */
const MEANS = 3;

/** b − a of the means, and of each class's IoU; NaN where it isn't defined, as in numpy. */
function differencesOf(sums: Float64Array): Float64Array {
  const classes = sums.length / AREAS;
  const differences = new Float64Array(MEANS + classes);
  // Of both runs: sums of IoU and of Acc, how many of them are defined, and hits.
  const means = [emptyMeans(), emptyMeans()] as const;
  let labelled = 0;
  for (let index = 0; index < classes; index++) {
    const at = index * AREAS;
    const label = sums[at]!;
    labelled += label;
    const IoUs = means.map((mean, run) => {
      const predicted = sums[at + 1 + 2 * run]!;
      const hits = sums[at + 2 + 2 * run]!;
      const IoU = hits / (label + predicted - hits);
      mean.hits += hits;
      if (label > 0) {
        mean.Acc += hits / label;
        mean.Accs += 1;
      }
      if (!Number.isNaN(IoU)) {
        mean.IoU += IoU;
        mean.IoUs += 1;
      }
      return IoU;
    });
    differences[MEANS + index] = IoUs[1]! - IoUs[0]!;
  }
  const [a, b] = means;
  differences[0] = b.IoU / b.IoUs - a.IoU / a.IoUs;
  differences[1] = b.Acc / b.Accs - a.Acc / a.Accs;
  differences[2] = (b.hits - a.hits) / labelled;
  return differences;
}

function emptyMeans() {
  return { IoU: 0, IoUs: 0, Acc: 0, Accs: 0, hits: 0 };
}

/** A difference without variance gives no p-value, unless it is zero. */
function pOf(difference: number, deviation: number): number {
  return deviation > 0 ? twoSidedP(difference / deviation) : 1;
}
