import { ApplicationFailure } from '@temporalio/activity';
import type { GpuActivities } from '../activities/gpu.ts';
import type { FailureClass } from '../core/config/failures.ts';

const ENDING: readonly FailureClass[] = ['WorkerLost', 'Unexpected'];

/**
 * Activities after whose failure nothing else may be computed in this process: the GPU has failed, or an unforeseen error
 * is to be tried again elsewhere. The worker ends.
 *
 * @param onLost is called once, before Temporal hears of the failure
 */
export function endWhenLost<A extends Partial<GpuActivities>>(
  activities: A,
  onLost: (message: string) => void,
): A {
  let isLost = false;
  const watched = Object.entries(activities).map(([name, work]) => [
    name,
    async (task: never) => {
      try {
        return await work(task);
      } catch (error) {
        if (error instanceof ApplicationFailure && ENDING.some((type) => type === error.type) && !isLost) {
          isLost = true;
          onLost(error.message);
        }
        throw error;
      }
    },
  ]);
  return Object.fromEntries(watched);
}
