import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ConfusionMatrix, emptyMatrix } from '../../../core/metric/confusion-matrix.ts';
import { diceMetrics, fscoreMetrics, matrixMetrics, type Share } from '../../../core/metric/metrics.ts';
import { npyNumbers, readNpy } from '../../golden/check/npy.ts';
import { goldenFolder } from '../../golden-folder.ts';

interface GoldenRun {
  name: string;
  expected: { confusion: string; areas: string; results: string };
}
interface GoldenResults {
  unrounded: Record<string, Share[]>;
  means_unrounded: Record<string, Share>;
}

/** mmseg computes in float32, and so its means carry a few roundings. */
const FLOAT32_NOISE = 5e-7;

const folder = goldenFolder();
const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
const runs: GoldenRun[] = manifest.runs.pipeline.filter((run: GoldenRun) => run.expected?.confusion);

describe.each(runs)('metrics of golden run $name', ({ expected }) => {
  const matrix = goldenMatrix(expected.confusion);
  const golden: GoldenResults = JSON.parse(readFileSync(join(folder, expected.results), 'utf8'));

  it('has the areas of each class as the original summed them', () => {
    const areas = readNpy(join(folder, expected.areas));
    const [, kinds, classes] = areas.shape as [number, number, number];
    const sums = new Float64Array(kinds * classes);
    npyNumbers(areas).forEach((area, i) => {
      sums[i % sums.length]! += area;
    });
    const { perClass } = matrixMetrics(matrix);
    const kind = (index: number) => [...sums.subarray(index * classes, (index + 1) * classes)];
    expect(perClass.map((c) => c.intersectionPixels)).toEqual(kind(0));
    expect(perClass.map((c) => c.labelPixels + c.predictedPixels - c.intersectionPixels)).toEqual(kind(1));
    expect(perClass.map((c) => c.predictedPixels)).toEqual(kind(2));
    expect(perClass.map((c) => c.labelPixels)).toEqual(kind(3));
  });

  it('equals the original for every class and mean', () => {
    const { perClass, ...means } = matrixMetrics(matrix);
    const { mDice, ...dice } = diceMetrics(matrix);
    const { mFscore, mPrecision, mRecall, ...fscore } = fscoreMetrics(matrix);
    const ours = { IoU: perClass.map((c) => c.IoU), Acc: perClass.map((c) => c.Acc), ...dice, ...fscore };
    for (const [name, values] of Object.entries(ours)) {
      expectShares(name, values, golden.unrounded[name]!);
    }
    const ourMeans = { ...means, mDice, mFscore, mPrecision, mRecall };
    expectShares(
      'means',
      Object.values(ourMeans),
      Object.keys(ourMeans).map((k) => golden.means_unrounded[k]!),
    );
  });
});

describe('metrics', () => {
  it('leave a class that occurs nowhere out of the means, and count one that is only predicted', () => {
    const matrix = emptyMatrix(3);
    matrix.counts.set([3, 1, 0]); // label 0 is predicted as 0 and 1; class 2 occurs nowhere
    const { aAcc, mIoU, mAcc, perClass } = matrixMetrics(matrix);
    expect([aAcc, mIoU, mAcc]).toEqual([0.75, 0.375, 0.75]);
    expect(perClass.map(({ IoU }) => IoU)).toEqual([0.75, 0, null]);
    expect(perClass.map(({ Acc }) => Acc)).toEqual([0.75, null, null]);
  });

  it('are all undefined for a matrix without pixels', () => {
    expect(matrixMetrics(emptyMatrix(2))).toMatchObject({ aAcc: null, mIoU: null, mAcc: null });
  });
});

function goldenMatrix(file: string): ConfusionMatrix {
  const confusion = readNpy(join(folder, file));
  return { classes: confusion.shape[0]!, counts: npyNumbers(confusion) };
}

function expectShares(what: string, ours: Share[], golden: Share[]) {
  expect(ours.length, what).toBe(golden.length);
  ours.forEach((share, i) => {
    if (golden[i] === null || share === null) expect(share, `${what} ${i}`).toBe(golden[i]);
    else expect(Math.abs(share - golden[i]!), `${what} ${i}`).toBeLessThan(FLOAT32_NOISE);
  });
}
