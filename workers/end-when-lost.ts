import { ApplicationFailure } from '@temporalio/activity';
import type { GpuActivities } from '../activities/gpu.ts';
import type { FailureClass } from '../core/config/failures.ts';

const LOST: FailureClass = 'WorkerLost';

/**
 * Activities that report the end of what they compute on, such as a GPU after a fault: nothing else may be computed in
 * this process, and its worker has to go.
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
        if (error instanceof ApplicationFailure && error.type === LOST && !isLost) {
          isLost = true;
          onLost(error.message);
        }
        throw error;
      }
    },
  ]);
  return Object.fromEntries(watched);
}
