import fc from 'fast-check';
import { expect, test } from 'vitest';
import { drawsAt } from '../../../core/train/draws.ts';

const MANY = 20_000;

/** The first uniform numbers at one place. */
function first(count: number, seed: number, ...position: (number | string)[]): number[] {
  const { uniform } = drawsAt(seed, ...position);
  return Array.from({ length: count }, uniform);
}

test('a place draws the same numbers whenever it is asked, and another place others', () => {
  expect(first(5, 7, 3, 2)).toEqual(first(5, 7, 3, 2));
  const others = [first(5, 8, 3, 2), first(5, 7, 2, 3), first(5, 7, 32), first(5, 7, 'x', 3, 2)];
  for (const other of others) expect(other).not.toEqual(first(5, 7, 3, 2));
});

test('numbers stay what they were: a training that goes on with a later version goes on the same', () => {
  const { uniform, integer, normal } = drawsAt(0, 0, 0);
  expect([uniform(), integer(0, 1000), normal()]).toEqual([0.39487046082541066, 13, -0.7497127804154146]);
});

test('neighbouring places have nothing in common: the first numbers of many are spread evenly', () => {
  const bins = new Array<number>(10).fill(0);
  for (let slot = 0; slot < MANY; slot++) bins[Math.floor(first(1, 0, 1, slot)[0]! * 10)]!++;
  for (const count of bins) expect(Math.abs(count - MANY / 10)).toBeLessThan(5 * Math.sqrt(MANY / 10));
});

test('integers are at least the lower and below the upper bound, and reach both ends', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: -50, max: 50 }),
      fc.integer({ min: 1, max: 5 }),
      (seed, low, n) => {
        const { integer } = drawsAt(seed);
        const drawn = new Set(Array.from({ length: 200 }, () => integer(low, low + n)));
        expect([...drawn].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => low + i));
      },
    ),
  );
});

test('normal numbers have mean 0, deviation 1, and the share beyond two deviations', () => {
  const { normal } = drawsAt(1, 'normal');
  const values = Array.from({ length: MANY }, normal);
  const mean = values.reduce((sum, value) => sum + value, 0) / MANY;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / MANY;
  const far = values.filter((value) => Math.abs(value) > 2).length / MANY;
  expect(mean).toBeCloseTo(0, 1);
  expect(variance).toBeCloseTo(1, 1);
  expect(far).toBeCloseTo(0.0455, 2);
});
