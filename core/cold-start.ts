import type { ShardResult } from './config/eval.ts';
import type { WorkerState } from './config/fleet.ts';
import type { Results } from './config/results.ts';

/**
 * From the start of the workflow to the first batch, by phase, of the worker that was at work first.
 * Clocks of several machines are compared: a phase that comes out negative is 0.
 *
 * @param times ms since the epoch, by the workflow's clock
 */
export function coldStart(
  times: { started: number; planned: number },
  workers: Pick<WorkerState, 'name' | 'createdAtMs' | 'seconds'>[],
  results: Pick<ShardResult, 'worker' | 'startedAtMs' | 'phases'>[],
): Results['timeBudget']['coldStart'] {
  const first = results.reduce((a, b) => (b.startedAtMs < a.startedAtMs ? b : a));
  const { createdAtMs, seconds } = workers.find(({ name }) => name === first.worker) ?? {};
  const { start, weightFetch, graphBuild, warmUp } = first.phases;
  const loaded = first.startedAtMs / 1000 + weightFetch + graphBuild + warmUp;
  return {
    plan: between(times.started, times.planned),
    create: createdAtMs === undefined ? 0 : between(times.planned, createdAtMs),
    schedule: seconds?.schedule ?? 0,
    pull: seconds?.pull ?? 0,
    start,
    weightFetch,
    graphBuild,
    warmUp,
    total: Math.max(0, loaded - times.started / 1000),
  };
}

function between(from: number, to: number): number {
  return Math.max(0, (to - from) / 1000);
}
