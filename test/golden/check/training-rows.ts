import path from 'node:path';
import { compareArrays, type Row, verdict } from './compare.ts';
import type { GoldenFolder, HeadTrainingRun } from './manifest.ts';
import { npyNumbers, readNpy } from './npy.ts';

/** A gradient that is smaller than this part of the largest is rounding of what is exactly zero. */
const ROUNDING = 1e-6;

/**
 * A level's last bias moves every pixel of it alike, and the BatchNorm behind the lateral convolution takes that out
 * again: its gradient is exactly zero, and float32 makes noise of it. AdamW divides noise by its own size and takes
 * whole steps in random directions, which nothing but the running mean of that BatchNorm ever sees.
 */
const SEEN_BY: Record<string, string> = {
  'backbone.up1.3.bias': 'decode_head.lateral_convs.0.bn.running_mean',
  'backbone.up2.0.bias': 'decode_head.lateral_convs.1.bn.running_mean',
};

/** What a training run's files expect, against what was computed, by the files' paths below the run's folder. */
export function trainingRows(
  golden: GoldenFolder,
  run: HeadTrainingRun,
  computed: Map<string, ArrayLike<number>>,
): Row[] {
  const expected = new Map(
    run.expected.map(({ file }) => [
      path.relative(path.dirname(run.config), file),
      npyNumbers(readNpy(golden.path(file))),
    ]),
  );
  const gradients = [...expected].filter(([key]) => key.startsWith('grad0/'));
  const largest = Math.max(...gradients.map(([, values]) => magnitude(values)));
  const zero = new Set(
    Object.keys(SEEN_BY).filter((name) => {
      const gradient = expected.get(`grad0/${name}.npy`);
      return gradient && magnitude(gradient) < ROUNDING * largest;
    }),
  );
  const reach = run.learning_rates.reduce((sum, lr) => sum + lr, 0);
  return run.expected.map(({ file, tolerance }) => {
    const key = path.relative(path.dirname(run.config), file);
    const [values, wanted] = [computed.get(key) ?? [], expected.get(key)!];
    const [, folder, name] =
      /^(grad0|param\d+|moments\d+|running\/\d+)\/(.*?)(\.exp_avg.*)?\.npy$/.exec(key) ?? [];
    const cause = Object.keys(SEEN_BY).find((bias) => zero.has(bias) && SEEN_BY[bias] === name);
    if (cause) {
      // The bias is at most 2 · Σ lr apart; the 1×1 convolution sums it over its inputs.
      const weights = expected.get(`param2/${name!.replace('bn.running_mean', 'conv.weight')}.npy`) ?? [];
      const spread = 2 * reach * rowSum(weights, wanted.length);
      return compareArrays(file, values, wanted, { ...tolerance, atol: (tolerance.atol ?? 0) + spread });
    }
    if (!name || !zero.has(name)) return compareArrays(file, values, wanted, tolerance);
    if (folder!.startsWith('param')) return compareArrays(file, values, wanted, { atol: 2 * reach });
    const noise = magnitude(values);
    const most = ROUNDING * largest;
    return verdict(
      file,
      values.length === wanted.length && noise <= most,
      noise.toExponential(1),
      `zero: ≤ ${most.toExponential(1)}`,
    );
  });
}

function magnitude(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++)
    if (!(Math.abs(values[i]!) <= largest)) largest = Math.abs(values[i]!);
  return largest;
}

/** The largest sum of a row's magnitudes. */
function rowSum(values: ArrayLike<number>, rows: number): number {
  const columns = values.length / rows;
  const sums = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, i) => Math.abs(values[row * columns + i]!)).reduce(
      (a, b) => a + b,
      0,
    ),
  );
  return Math.max(0, ...sums);
}
