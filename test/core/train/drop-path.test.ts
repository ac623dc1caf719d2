import { expect, test } from 'vitest';
import { dropPathIndex, dropPathMultipliers } from '../../../core/train/drop-path.ts';

const TRAIN = { seed: 7, batch: 16, dropPathRate: 0.4 };
const DEPTH = 48;

/** One branch's multipliers of a step, slot by slot. */
function branchOf(multipliers: Float32Array, block: number, branch: number): number[] {
  const start = dropPathIndex({ block, branch, slot: 0 }, TRAIN.batch);
  return [...multipliers.subarray(start, start + TRAIN.batch)];
}

test('multipliers are 0 or 1 / (1 − rate), the rate going from 0 in the first block to its full value in the last', () => {
  const multipliers = dropPathMultipliers(TRAIN, DEPTH, 3);
  expect(multipliers).toHaveLength(DEPTH * 2 * TRAIN.batch);
  expect(new Set(branchOf(multipliers, 0, 0))).toEqual(new Set([1]));
  for (const block of [1, 20, 47]) {
    const expected = Math.fround(1 / (1 - (0.4 * block) / 47));
    expect([0, expected]).toEqual(expect.arrayContaining([...new Set(branchOf(multipliers, block, 1))]));
    expect(branchOf(multipliers, block, 1)).toContain(expected);
  }
});

test('the original multiplies by the same numbers', () => {
  // What the original drew for four blocks at a rate of 0.4, where it kept a branch: golden's drop_path.npy.
  const original = [1, 1.1538461446762085, 1.3636363744735718, 1.6666666269302368];
  const multipliers = dropPathMultipliers(TRAIN, 4, 0);
  const largest = original.map((_, block) => Math.max(...branchOf(multipliers, block, 0)));
  for (const [block, multiplier] of largest.entries())
    expect(Math.abs(multiplier / original[block]! - 1)).toBeLessThan(2e-7);
});

test('branches are dropped as often as the rate says, and a branch’s mean stays 1', () => {
  const steps = Array.from({ length: 60 }, (_, step) => dropPathMultipliers(TRAIN, 2, step));
  const last = steps.flatMap((step) => [0, 1].flatMap((branch) => branchOf(step, 1, branch)));
  const dropped = last.filter((multiplier) => multiplier === 0).length / last.length;
  // Three standard deviations of 1,920 draws.
  expect(Math.abs(dropped - 0.4)).toBeLessThan(0.034);
  expect(Math.abs(last.reduce((sum, value) => sum + value, 0) / last.length - 1)).toBeLessThan(0.06);
});

test('each draw is a function of its place: other blocks, branches, slots and steps draw otherwise, another batch the same', () => {
  const multipliers = dropPathMultipliers(TRAIN, DEPTH, 3);
  expect(dropPathMultipliers(TRAIN, DEPTH, 3)).toEqual(multipliers);
  expect(branchOf(multipliers, 47, 0)).not.toEqual(branchOf(multipliers, 47, 1));
  expect(branchOf(multipliers, 47, 0)).not.toEqual(branchOf(dropPathMultipliers(TRAIN, DEPTH, 4), 47, 0));
  expect(branchOf(multipliers, 47, 0)).not.toEqual(
    branchOf(dropPathMultipliers({ ...TRAIN, seed: 8 }, DEPTH, 3), 47, 0),
  );
  const half = dropPathMultipliers({ ...TRAIN, batch: 8 }, DEPTH, 3);
  const start = dropPathIndex({ block: 47, branch: 1, slot: 0 }, 8);
  expect([...half.subarray(start, start + 8)]).toEqual(branchOf(multipliers, 47, 1).slice(0, 8));
});

test('without drop path everything is multiplied by 1', () => {
  expect(new Set(dropPathMultipliers({ ...TRAIN, dropPathRate: 0 }, DEPTH, 0))).toEqual(new Set([1]));
});
