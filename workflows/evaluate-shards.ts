import { isCancellation, sleep } from '@temporalio/workflow';
import type { EvalRun, ShardResult } from '../core/config/eval.ts';
import { nextTry, TypedFailure } from '../core/config/failures.ts';
import type { ShardRange } from '../core/shard/cut-shards.ts';
import { shardActivities } from './activities.ts';
import { backoff } from './backoff.ts';
import type { Budget } from './budget.ts';
import { withCause } from './cause.ts';
import type { Classified } from './failure.ts';
import type { FleetView } from './fleet-view.ts';
import type { ProgressTracker } from './progress.ts';

export interface EvaluatedShard {
  result: ShardResult;
  failures: Classified[];
}

/** What the shards of a run share. */
interface Shared {
  fleet: FleetView;
  progress: ProgressTracker;
  /** Crops of a batch: what did not fit one worker won't fit the next one. */
  batch: number;
}

/**
 * Evaluates every shard of a run; the first failure that no reaction mends ends it. No shard is given out before a
 * worker is free for it: one in the queue would still ask for the batch that has just proved too big, and kill the
 * next worker.
 *
 * @returns those that are done, in order: not all of them if the budget was spent, but one a worker at least
 */
export async function evaluateShards(
  run: EvalRun,
  fleet: FleetView,
  progress: ProgressTracker,
  budget: Budget | null = null,
): Promise<EvaluatedShard[]> {
  const shared: Shared = { fleet, progress, batch: run.config.run.batch };
  const done: EvaluatedShard[] = new Array(run.shards.length);
  const waiting = run.shards.entries();
  const lane = async () => {
    for (const [at, range] of waiting) {
      done[at] = await evaluateShard(run, range, shared);
      if (budget && !budget.allows(meanSeconds(done))) return;
    }
  };
  await Promise.all(Array.from({ length: run.fleet.workers }, lane));
  // Those that the budget has left.
  return done.filter((shard) => shard !== undefined);
}

/** Of the shards that are done: there is at least one. */
function meanSeconds(done: EvaluatedShard[]): number {
  const seconds = done.flatMap((shard) => (shard ? [shard.result.seconds] : []));
  return seconds.reduce((sum, value) => sum + value, 0) / seconds.length;
}

async function evaluateShard(run: EvalRun, range: ShardRange, shared: Shared): Promise<EvaluatedShard> {
  const gpu = shardActivities(run.fleet);
  const { prefix, weights, head, ownModel, dataset } = run;
  const config = withoutPalette(run);
  const overlays = run.imageIds
    .slice(range.first, range.first + range.count)
    .filter((id) => run.overlays.includes(id));
  const classes = overlays.length > 0 || config.run.show ? run.classes : null;
  const failures: Classified[] = [];
  for (;;) {
    const { batch } = shared;
    try {
      const result = await gpu.evaluateShard({
        run: { prefix, config, weights, head, ...(ownModel ? { ownModel } : {}), dataset },
        range,
        overlays,
        classes,
        labelIds: run.labelIds,
        batch,
      });
      shared.progress.shardDone(result);
      return { result, failures };
    } catch (error) {
      if (isCancellation(error)) throw error;
      const failure = await withCause(error, shared.fleet);
      failures.push(failure);
      shared.progress.failed(failure);
      const retry = nextTry(failures, batch);
      if (!retry) throw final(failure, batch, error);
      // Another shard may have made it smaller meanwhile.
      shared.batch = Math.min(shared.batch, retry.batch);
      if (retry.isPaused) await sleep(backoff(failures.length));
    }
  }
}

/** Classes that a config lists would be in the history once a shard: their name stands for them there. */
function withoutPalette({ config, classes }: EvalRun): EvalRun['config'] {
  return { ...config, dataset: { ...config.dataset, classes: classes.name } };
}

/** The failure that ends the run, with what a user can do about it where that isn't plain. */
function final({ class: failureClass, message }: Classified, batch: number, cause: unknown): TypedFailure {
  const advice =
    failureClass === 'OutOfMemory' && batch === 1
      ? '. A single crop does not fit: give the worker more memory'
      : '';
  return new TypedFailure(failureClass, message + advice, { cause });
}
