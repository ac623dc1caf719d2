import type { ShardResult, ShardTask } from '../core/config/eval.ts';
import { asActivity } from './as-activity.ts';
import type { ShardEvaluator } from './evaluate/evaluate-shard.ts';

/** A GPU worker's activities. */
export function gpuActivities(evaluator: ShardEvaluator) {
  return {
    evaluateShard(task: ShardTask): Promise<ShardResult> {
      return asActivity((beat) => evaluator.evaluateShard(task, beat), {
        onWorkerStop: `${evaluator.worker} was told to stop in mid-shard`,
      });
    },
  };
}

export type GpuActivities = ReturnType<typeof gpuActivities>;
