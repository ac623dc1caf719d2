import { expect, test } from 'vitest';
import type { ShardResult, ShardTask } from '../../core/config/eval.ts';
import { logFetch, logShards } from '../../workers/shard-log.ts';

const task = { range: { shard: 17, first: 0, count: 12 }, batch: 4 } as ShardTask;

test('a shard is told when it begins and when it is done, with its images and seconds', async () => {
  const lines: string[] = [];
  const result = { shard: 17 } as ShardResult;
  const { evaluateShard } = logShards({ evaluateShard: async () => result }, (line) => lines.push(line));
  expect(await evaluateShard(task)).toBe(result);
  expect(lines).toEqual([
    'shard 17 begun: 12 images, batch 4',
    expect.stringMatching(/^shard 17 done: 12 images in \d+\.\d s$/),
  ]);
});

test('the warnings of a shard are told when it is done', async () => {
  const lines: string[] = [];
  const result = { shard: 17, warnings: ['overlays/a.webp is left out: too wide'] } as ShardResult;
  const { evaluateShard } = logShards({ evaluateShard: async () => result }, (line) => lines.push(line));
  await evaluateShard(task);
  expect(lines[1]).toMatch(/^shard 17 done: 12 images; overlays\/a\.webp is left out: too wide in \d/);
});

test('a shard that fails is told with its cause, and fails all the same', async () => {
  const lines: string[] = [];
  const failing = async () => {
    throw new Error('image_3: damaged');
  };
  const { evaluateShard } = logShards({ evaluateShard: failing }, (line) => lines.push(line));
  await expect(evaluateShard(task)).rejects.toThrow('image_3: damaged');
  expect(lines[1]).toMatch(/^shard 17 failed after \d+\.\d s: image_3: damaged$/);
});

test('a fetch is told in bytes and speed; what an earlier one left does not count', async () => {
  const lines: string[] = [];
  const bytes: number[] = [];
  const log = (line: string) => lines.push(line);
  await logFetch(
    's3://b/w.pth',
    async (onProgress) => {
      onProgress(2_000_000, 12_000_000);
      await new Promise((resolve) => setTimeout(resolve, 100));
      onProgress(12_000_000, 12_000_000);
      return '/cache/w';
    },
    { log, onFetched: (count) => bytes.push(count) },
  );
  expect(lines[0]).toMatch(/^weights s3:\/\/b\/w\.pth: 10\.0 MB in 0\.1 s \(\d+ MB\/s\)$/);
  expect(
    await logFetch('s3://b/w.pth', async () => '/cache/w', { log, onFetched: (count) => bytes.push(count) }),
  ).toBe('/cache/w');
  expect(lines[1]).toBe('weights s3://b/w.pth: in the cache (0.0 s)');
  expect(bytes).toEqual([10_000_000, 0]);
});
