import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mmsegEval, mmsegEvalFileName } from '../../../activities/publish/mmseg-eval.ts';
import { extraMetrics, matrixMetrics } from '../../../core/metric/metrics.ts';
import { npyNumbers, readNpy } from '../../golden/check/npy.ts';
import { goldenFolder } from '../../golden-folder.ts';
import { ade20k } from './publish-input.ts';

const runs = join(goldenFolder(), 'pipeline/runs');
/** The original rounds in float32, so 0.458 is 0.45799999 there. */
const FLOAT32_NOISE = 1e-7;

describe.each(readdirSync(runs))('mmsegEval of golden run %s', (name) => {
  it('gives what the original’s evaluate() returns, in the same order', () => {
    const golden: Record<string, number | null> = JSON.parse(
      readFileSync(join(runs, name, 'results.json'), 'utf8'),
    ).evaluate;
    const confusion = readNpy(join(runs, name, 'confusion.npy'));
    const matrix = { classes: 150, counts: npyNumbers(confusion) };
    const { perClass, ...metrics } = matrixMetrics(matrix);
    const extra = extraMetrics(matrix, ['mDice', 'mFscore']);
    const named = perClass.map((row, i) => ({
      ...row,
      ...extra.perClass[i],
      name: ade20k.classes[row.class]!.name,
    }));
    const results = { metrics: { ...metrics, ...extra.means }, perClass: named };
    const { metric } = mmsegEval('linear', results);

    const keys = Object.keys(golden);
    expect(Object.keys(metric)).toEqual(keys);
    for (const key of keys) {
      const ours = metric[key]!;
      if (golden[key] === null || ours === null) expect(ours, key).toBe(golden[key]);
      else expect(Math.abs(ours - golden[key]!), key).toBeLessThan(FLOAT32_NOISE);
    }
  });
});

it('names the file after the time when the run began', () => {
  expect(mmsegEvalFileName('2026-03-01T09:12:04.567Z', 'single')).toBe(
    'eval_single_scale_20260301_091204.json',
  );
  expect(mmsegEvalFileName('2026-03-01T01:12:04+02:00', 'multi')).toBe(
    'eval_multi_scale_20260228_231204.json',
  );
});
