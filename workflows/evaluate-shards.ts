import { isCancellation, sleep } from '@temporalio/workflow';
import type { EvalRun, ShardResult } from '../core/config/eval.ts';
import { REACTIONS } from '../core/config/failures.ts';
import type { ShardRange } from '../core/shard/cut-shards.ts';
import { shardActivities } from './activities.ts';
import { type Classified, classify } from './failure.ts';
import type { ProgressTracker } from './progress.ts';

/** Attempts of one shard in all; a run on pre-emptible machines needs a few more than one. */
const MAX_ATTEMPTS = 8;
/** A service that is away comes back within a minute or not soon. */
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 20_000;

export interface EvaluatedShard {
  result: ShardResult;
  failures: Classified[];
}

/** Evaluates every shard of a run; the first failure that no reaction mends ends it. */
export function evaluateShards(run: EvalRun, progress: ProgressTracker): Promise<EvaluatedShard[]> {
  return Promise.all(run.shards.map((range) => evaluateShard(run, range, progress)));
}

async function evaluateShard(
  run: EvalRun,
  range: ShardRange,
  progress: ProgressTracker,
): Promise<EvaluatedShard> {
  const gpu = shardActivities(run.fleet);
  const { prefix, config, weights, head, dataset } = run;
  const overlays = run.imageIds
    .slice(range.first, range.first + range.count)
    .filter((id) => run.overlays.includes(id));
  const classes = overlays.length > 0 || config.run.show ? run.classes : null;
  const failures: Classified[] = [];
  let batch = config.run.batch;
  for (;;) {
    try {
      const result = await gpu.evaluateShard({
        run: { prefix, config, weights, head, dataset },
        range,
        overlays,
        classes,
        batch,
      });
      progress.shardDone(result);
      return { result, failures };
    } catch (error) {
      if (isCancellation(error)) throw error;
      const failure = classify(error);
      failures.push(failure);
      progress.failed(failure);
      const { retry } = REACTIONS[failure.class];
      const canHalve = retry === 'halve-batch' && batch > 1;
      if (failures.length >= MAX_ATTEMPTS || (retry !== 'backoff' && !canHalve)) throw error;
      if (canHalve) batch = Math.floor(batch / 2);
      else await sleep(Math.min(FIRST_BACKOFF_MS * 2 ** (failures.length - 1), MAX_BACKOFF_MS));
    }
  }
}
