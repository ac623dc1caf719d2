import { type ConfusionMatrix, total } from './confusion-matrix.ts';

/**
 * Metrics from a confusion matrix, by the formulas of mmseg 0.30 `total_area_to_metrics`.
 *
 * Shares lie in 0…1. `null` stands where mmseg has nan (0/0), and is left out of the means
 * as `np.nanmean` does. mmseg computes in float32; these are doubles, so they differ by 1e-7.
 */
export type Share = number | null;

interface ClassMetrics {
  class: number;
  IoU: Share;
  /** Also called recall: the share of the label's pixels that were found. */
  Acc: Share;
  labelPixels: number;
  predictedPixels: number;
  intersectionPixels: number;
}

export interface MatrixMetrics {
  aAcc: Share;
  mIoU: Share;
  mAcc: Share;
  perClass: ClassMetrics[];
}

/** aAcc, mIoU and mAcc, with IoU and Acc of each class. */
export function matrixMetrics(matrix: ConfusionMatrix): MatrixMetrics {
  const perClass = classAreas(matrix).map((area, index) => ({
    class: index,
    IoU: ratio(area.intersection, area.label + area.predicted - area.intersection),
    Acc: ratio(area.intersection, area.label),
    labelPixels: area.label,
    predictedPixels: area.predicted,
    intersectionPixels: area.intersection,
  }));
  const hits = perClass.reduce((sum, { intersectionPixels }) => sum + intersectionPixels, 0);
  return {
    aAcc: ratio(hits, total(matrix)),
    mIoU: meanOfDefined(perClass.map(({ IoU }) => IoU)),
    mAcc: meanOfDefined(perClass.map(({ Acc }) => Acc)),
    perClass,
  };
}

/** Means and per-class shares in mmseg's order; those that a run didn't ask for are absent from its results. */
export const MEAN_METRICS = ['aAcc', 'mIoU', 'mAcc', 'mDice', 'mFscore', 'mPrecision', 'mRecall'] as const;
export const CLASS_METRICS = ['IoU', 'Acc', 'Dice', 'Fscore', 'Precision', 'Recall'] as const;

/** What a run may ask for beside mIoU, as mmseg's `--eval` names it. */
export type ExtraMetric = 'mDice' | 'mFscore';

type ClassShares = Partial<Record<'Dice' | 'Fscore' | 'Precision' | 'Recall', Share>>;

/** The means and each class's shares of the metrics that were asked for. */
export function extraMetrics(
  matrix: ConfusionMatrix,
  names: readonly ExtraMetric[],
): {
  means: Partial<Record<'mDice' | 'mFscore' | 'mPrecision' | 'mRecall', Share>>;
  perClass: ClassShares[];
} {
  const { mDice, ...dice } = diceMetrics(matrix);
  const { mFscore, mPrecision, mRecall, ...fscore } = fscoreMetrics(matrix);
  const wanted = {
    ...(names.includes('mDice') ? dice : {}),
    ...(names.includes('mFscore') ? fscore : {}),
  };
  const perClass = Array.from({ length: matrix.classes }, (_, index) =>
    Object.fromEntries(Object.entries(wanted).map(([name, shares]) => [name, shares[index]])),
  );
  const means = {
    ...(names.includes('mDice') ? { mDice } : {}),
    ...(names.includes('mFscore') ? { mFscore, mPrecision, mRecall } : {}),
  };
  return { means, perClass };
}

/** Dice of each class and its mean. */
export function diceMetrics(matrix: ConfusionMatrix): { mDice: Share; Dice: Share[] } {
  const Dice = classAreas(matrix).map((area) => ratio(2 * area.intersection, area.label + area.predicted));
  return { mDice: meanOfDefined(Dice), Dice };
}

/**
 * F1, precision and recall of each class and their means.
 *
 * F1 is undefined where precision or recall is, or where both are 0. Dice is 0 in those cases
 * unless the class occurs nowhere; so the two means differ.
 */
export function fscoreMetrics(matrix: ConfusionMatrix): {
  mFscore: Share;
  mPrecision: Share;
  mRecall: Share;
  Fscore: Share[];
  Precision: Share[];
  Recall: Share[];
} {
  const areas = classAreas(matrix);
  const Precision = areas.map((area) => ratio(area.intersection, area.predicted));
  const Recall = areas.map((area) => ratio(area.intersection, area.label));
  const Fscore = areas.map((_, index) => {
    const precision = Precision[index];
    const recall = Recall[index];
    if (precision == null || recall == null) return null;
    return ratio(2 * precision * recall, precision + recall);
  });
  return {
    mFscore: meanOfDefined(Fscore),
    mPrecision: meanOfDefined(Precision),
    mRecall: meanOfDefined(Recall),
    Fscore,
    Precision,
    Recall,
  };
}

function classAreas({ classes, counts }: ConfusionMatrix) {
  const areas = Array.from({ length: classes }, () => ({ label: 0, predicted: 0, intersection: 0 }));
  for (let label = 0; label < classes; label++) {
    for (let prediction = 0; prediction < classes; prediction++) {
      const count = counts[label * classes + prediction]!;
      areas[label]!.label += count;
      areas[prediction]!.predicted += count;
      if (label === prediction) areas[label]!.intersection = count;
    }
  }
  return areas;
}

function ratio(part: number, whole: number): Share {
  return whole === 0 ? null : part / whole;
}

function meanOfDefined(shares: Share[]): Share {
  const defined = shares.filter((share) => share !== null);
  return ratio(
    defined.reduce((sum, share) => sum + share, 0),
    defined.length,
  );
}
