import { expect, test } from 'vitest';
import type { EvalRun, ShardResult } from '../../core/config/eval.ts';
import { ShardReportSchema } from '../../core/config/results.ts';
import { emptyMatrix } from '../../core/metric/confusion-matrix.ts';
import { encodeMatrix } from '../../core/metric/matrix-codec.ts';
import { reduceShards } from '../../workflows/reduce.ts';
import { sha256, tinyConfig } from '../builders.ts';

const run = {
  config: tinyConfig(),
  imageIds: ['a', 'b'],
  shards: [
    { shard: 0, first: 0, count: 1 },
    { shard: 1, first: 1, count: 1 },
  ],
} as unknown as EvalRun;

/** A shard of one image, all of whose pixels are ignored. */
function shardOf(shard: number, id: string, warnings?: string[]) {
  const images = [{ id, predictionSha256: sha256(Buffer.from(id)), labelledPixels: 0 }];
  const result = {
    shard,
    images,
    worker: 'worker-0',
    attempt: 1,
    seconds: 1,
    matrix: encodeMatrix(emptyMatrix(150)),
    ...(warnings ? { warnings } : {}),
  } as ShardResult;
  return { result, failures: [] };
}

test('the warnings of a shard are in its report, and a shard without any has none', () => {
  const warnings = ['s3://bucket/overlays/b.webp is left out: too wide'];
  const { shards } = reduceShards(run, [shardOf(0, 'a'), shardOf(1, 'b', warnings)]);
  const reports = shards.map((shard) => ShardReportSchema.parse(shard));
  expect(reports.map((report) => 'warnings' in report)).toEqual([false, true]);
  expect(reports[1]!.warnings).toEqual(warnings);
});
