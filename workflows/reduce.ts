import { budgetSeconds } from '../core/budget.ts';
import type { EvalRun, ReducedRun } from '../core/config/eval.ts';
import { classesOf } from '../core/config/model-kinds.ts';
import { addMatrix, emptyMatrix, total } from '../core/metric/confusion-matrix.ts';
import { partialCoverage, proveCoverage } from '../core/metric/coverage.ts';
import { decodeMatrix, encodePayload } from '../core/metric/matrix-codec.ts';
import type { EvaluatedShard } from './evaluate-shards.ts';

/**
 * Adds the shards' matrices and proves that they are the whole dataset, each image once; or, of a run that has spent its
 * budget, that they are what its shards were to be.
 *
 * @throws BadData naming what is missing or doubled
 */
export function reduceShards(run: EvalRun, shards: EvaluatedShard[]): ReducedRun {
  const matrix = emptyMatrix(classesOf(run.config.model));
  const evidence = shards.map(({ result }) => {
    const part = decodeMatrix(result.matrix);
    addMatrix(matrix, part);
    return { shard: result.shard, images: result.images, matrixTotal: total(part) };
  });
  const isPartial = shards.length < run.shards.length && budgetSeconds(run.config.run) !== null;
  const evaluated = new Set(evidence.map(({ shard }) => shard));
  return {
    matrix: encodePayload(matrix, { name: 'the whole run', remedy: 'evaluate the dataset in parts' }),
    coverage: proveCoverage({ imageIds: run.imageIds, shards: run.shards, evidence, isPartial }),
    ...(isPartial ? { partial: partialCoverage(run.shards, evaluated) } : {}),
    shards: shards.map(({ result, failures }) => ({
      shard: result.shard,
      images: result.images.length,
      worker: result.worker,
      attempts: failures.length + 1,
      seconds: result.seconds,
      failures,
      ...(result.warnings ? { warnings: result.warnings } : {}),
    })),
  };
}
