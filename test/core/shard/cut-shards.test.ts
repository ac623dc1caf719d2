import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutShards, type ShardRange } from '../../../core/shard/cut-shards.ts';

const anyCosts = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 300 });
const anyShards = fc.integer({ min: 1, max: 100 });

describe('any cut of any costs', () => {
  test('is contiguous, numbered, and covers every image once', () => {
    fc.assert(
      fc.property(anyCosts, anyShards, (costs, shards) => {
        let next = 0;
        for (const [index, range] of cutShards(costs, shards).entries()) {
          expect(range.shard).toBe(index);
          expect(range.first).toBe(next);
          expect(range.count).toBeGreaterThanOrEqual(1);
          next += range.count;
        }
        expect(next).toBe(costs.length);
      }),
    );
  });

  test('gives as many shards as were asked for, or one an image', () => {
    fc.assert(
      fc.property(anyCosts, anyShards, (costs, shards) => {
        expect(cutShards(costs, shards).length).toBe(Math.min(shards, costs.length));
      }),
    );
  });

  test('is the same each time', () => {
    fc.assert(
      fc.property(anyCosts, anyShards, (costs, shards) => {
        expect(cutShards([...costs], shards)).toEqual(cutShards(costs, shards));
      }),
    );
  });

  test('has no shard that costs more than the mean and one image', () => {
    fc.assert(
      fc.property(anyCosts, anyShards, (costs, shards) => {
        const ranges = cutShards(costs, shards);
        const mean = sum(costs) / ranges.length;
        for (const range of ranges) expect(cost(costs, range)).toBeLessThanOrEqual(mean + Math.max(...costs));
      }),
      { numRuns: 1000 },
    );
  });
});

test('equal costs are cut into equal shards', () => {
  expect(cutShards(new Array(12).fill(3), 4).map((range) => range.count)).toEqual([3, 3, 3, 3]);
});

test('an image that costs as much as all others gets a shard of its own', () => {
  expect(cutShards([1, 1, 1, 1, 1, 1, 6], 2).map((range) => range.count)).toEqual([6, 1]);
});

test("ADE20K's 2000 images in 64 shards differ by little", () => {
  // Mostly two crops; each fiftieth is a panorama.
  const costs = Array.from({ length: 2000 }, (_, i) => (i % 50 === 0 ? 7 : 2 + (i % 3 === 0 ? 1 : 0)));
  const shards = cutShards(costs, 64).map((range) => cost(costs, range));
  expect(Math.max(...shards) / Math.min(...shards)).toBeLessThan(1.1);
});

function cost(costs: number[], { first, count }: ShardRange): number {
  return sum(costs.slice(first, first + count));
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
