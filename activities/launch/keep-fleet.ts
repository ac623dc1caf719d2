import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { FleetSpec } from '../../core/config/eval.ts';
import { TypedFailure } from '../../core/config/failures.ts';
import type { Launcher, WorkerState } from './launcher.ts';

const LOOK_EVERY_MS = 1_000;

/**
 * Launches a run's workers and keeps as many of them alive as the run wants, until it is told to stop.
 *
 * @param onChange is told each time a worker came or went
 * @throws WorkerLost, naming the last one's cause, if workers die faster than bad luck explains
 */
export async function keepFleet(
  launcher: Launcher,
  fleet: FleetSpec,
  { signal, onChange }: { signal: AbortSignal; onChange: (workers: WorkerState[]) => Promise<void> },
): Promise<void> {
  // A worker may be lost now and then; a fleet that replaces each worker twice has another trouble.
  const tolerated = 3 + 2 * fleet.workers;
  let seen: WorkerState[] = [];
  try {
    while (!signal.aborted) {
      await launcher.launch(fleet);
      const workers = await launcher.observe(fleet);
      if (!isDeepStrictEqual(workers, seen)) await onChange(workers);
      seen = workers;
      const gone = workers.filter((worker) => worker.state === 'gone');
      const last = gone.at(-1);
      if (last && gone.length > tolerated)
        throw new TypedFailure(
          'WorkerLost',
          `workers keep dying: ${gone.length} of this run so far, the last (${last.name}) by ${last.cause}. Its last lines:\n${last.lastLines}`,
        );
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    }
  } finally {
    await launcher.tearDown(fleet);
  }
}
