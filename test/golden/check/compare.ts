import { isDeepStrictEqual } from 'node:util';
import type { Tolerance } from './manifest.ts';

/** One line of the comparison. */
export interface Row {
  what: string;
  /** Largest error, or how much differs, in the tolerance's own terms. */
  error: string;
  tolerance: string;
  verdict: 'ok' | 'FAILED' | 'not implemented';
}

export function verdict(what: string, ok: boolean, error: string, tolerance: string): Row {
  return { what, error, tolerance, verdict: ok ? 'ok' : 'FAILED' };
}

/** Element by element: |error| ≤ atol + rtol · |expected|, or as another tolerance says. */
export function compareArrays(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): Row {
  if (actual.length !== expected.length)
    return verdict(what, false, `${actual.length} elements`, `${expected.length} elements`);
  if (tolerance.mismatch_fraction !== undefined) {
    const fraction = mismatches(actual, expected, tolerance) / expected.length;
    const how = tolerance.atol === undefined ? 'differ' : `outside ${toleranceText(tolerance)}`;
    return verdict(
      what,
      fraction <= tolerance.mismatch_fraction,
      percent(fraction),
      `≤ ${percent(tolerance.mismatch_fraction)} ${how}`,
    );
  }
  if (tolerance.rel_to_max !== undefined) {
    const largest = largestMagnitude(expected);
    const error = largestError(actual, expected) / (largest || 1);
    return verdict(
      what,
      error <= tolerance.rel_to_max,
      error.toExponential(1),
      `${tolerance.rel_to_max}·max|x|`,
    );
  }
  if (tolerance.exact) {
    const count = mismatches(actual, expected);
    return verdict(what, count === 0, `${count} differ`, 'equal');
  }
  const ok = mismatches(actual, expected, tolerance) === 0;
  return verdict(what, ok, largestError(actual, expected).toExponential(1), toleranceText(tolerance));
}

function toleranceText({ atol = 0, rtol = 0 }: Tolerance): string {
  return `${atol}${rtol ? ` + ${rtol}·|x|` : ''}`;
}

function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    // Written so that NaN is larger than any number.
    if (!(error <= largest)) largest = error;
  }
  return largest;
}

function largestMagnitude(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return largest;
}

/** Shares of positions at which the best of `classes` (axis 1 of `[B, K, …]`) is the same. */
export function argmaxAgreement(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  shape: number[],
  atLeast: number,
): Row {
  const [batch, classes, ...rest] = shape as [number, number, ...number[]];
  const inner = rest.reduce((product, dim) => product * dim, 1);
  const best = (data: ArrayLike<number>, b: number, i: number) => {
    let at = 0;
    for (let k = 1; k < classes; k++)
      if (data[(b * classes + k) * inner + i]! > data[(b * classes + at) * inner + i]!) at = k;
    return at;
  };
  let same = 0;
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < inner; i++) if (best(actual, b, i) === best(expected, b, i)) same++;
  const share = same / (batch * inner);
  return verdict(what, share >= atLeast, percent(share), `≥ ${percent(atLeast)} agree`);
}

export function compareValues(what: string, actual: unknown, expected: unknown): Row {
  return verdict(
    what,
    isDeepStrictEqual(actual, expected),
    isDeepStrictEqual(actual, expected) ? '0' : String(JSON.stringify(actual)).slice(0, 60),
    `equal to ${String(JSON.stringify(expected)).slice(0, 60)}`,
  );
}

export function compareNumber(what: string, actual: number, expected: number, atol: number): Row {
  const error = Math.abs(actual - expected);
  return verdict(what, error <= atol, error.toExponential(1), String(atol));
}

/** Takes each `steps[i]`-th element along the last axes, as `[:, ::7, ::5]` does. */
export function subsample(data: ArrayLike<number>, shape: number[], steps: number[]): Float64Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, dim) => product * dim, 1));
  const out: number[] = [];
  const walk = (axis: number, offset: number): void => {
    if (axis === shape.length) {
      out.push(data[offset]!);
      return;
    }
    for (let i = 0; i < shape[axis]!; i += steps[axis] ?? 1) walk(axis + 1, offset + i * strides[axis]!);
  };
  walk(0, 0);
  return Float64Array.from(out);
}

/** The steps that a file's description names in NumPy's words, such as `[:, ::31, ::37]`; ones without. */
export function stepsOf(how: string, rank: number): number[] {
  const slices = /\[([:\d, ]*::[:\d, ]*)\]/.exec(how)?.[1]?.split(',') ?? [];
  const steps = slices.map((slice) => Number(/::(\d+)/.exec(slice)?.[1] ?? 1));
  return Array.from({ length: rank }, (_, axis) => steps[axis] ?? 1);
}

/** How many elements lie outside of |error| ≤ atol + rtol · |expected|; without these, how many differ. */
function mismatches(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol = 0, rtol = 0 }: Tolerance = {},
): number {
  let count = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!];
    // Written so that NaN is outside of every tolerance.
    if (a !== b && !(Math.abs(a - b) <= atol + rtol * Math.abs(b))) count++;
  }
  return count;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)} %`;
}
