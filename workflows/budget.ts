import { budgetSeconds } from '../core/budget.ts';
import type { EvalRun } from '../core/config/eval.ts';
import type { FleetView } from './fleet-view.ts';

/** What a run with a budget has left. */
export interface Budget {
  /** Whether another shard, of so many seconds as those before took on average, is still paid for. */
  allows(shardSeconds: number): boolean;
}

/**
 * Counts all workers from the plan on, as the results' cost does, but for the time until the first of them had a node:
 * a pod that waits in a queue costs nothing.
 *
 * @param planned ms since the epoch, on the workflow's clock
 * @returns null for a run without a budget
 */
export function budgetOf(run: EvalRun, planned: number, fleet: FleetView): Budget | null {
  const limit = budgetSeconds(run.config.run);
  if (limit === null) return null;
  return {
    allows(shardSeconds) {
      const waits = fleet.state().workers.flatMap(({ seconds }) => seconds?.schedule ?? []);
      const waited = waits.length > 0 ? Math.min(...waits) : 0;
      const elapsed = (Date.now() - planned) / 1000 - waited;
      return (elapsed + shardSeconds) * run.fleet.workers <= limit;
    },
  };
}
