import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { TypedFailure } from '../../core/config/failures.ts';
import {
  CAUSES,
  causeText,
  type FleetChange,
  type FleetSpec,
  type FleetState,
  type WorkerState,
} from '../../core/config/fleet.ts';
import type { Launcher } from './launcher.ts';

const OBSERVE_EVERY_MS = 1_000;
/** Only losses of workers that started within this time count: a training of weeks loses many. */
const YOUNG_MS = 24 * 3_600_000;

export interface KeepOptions {
  signal: AbortSignal;
  /** Workers known to an earlier attempt, whose pods may be gone. */
  known?: WorkerState[];
  /** Called after the signal: whether the run is over, or another attempt follows. */
  isOver(): Promise<boolean>;
  /** Called with the changes and the whole state. @throws Unavailable to be called again with the same changes */
  onChange(changes: FleetChange, all: FleetState): Promise<void>;
}

/**
 * Starts a run's workers and replaces lost ones, until the signal aborts. While the cluster does not answer, it waits:
 * the workers continue.
 *
 * @throws BadInput for a cause that waiting cannot fix, FleetLost if too many workers fail; both with the message of
 *   the launcher
 */
export async function keepFleet(launcher: Launcher, fleet: FleetSpec, options: KeepOptions): Promise<void> {
  const { signal, isOver, onChange } = options;
  let all: FleetState = { workers: options.known ?? [], trouble: null };
  let reported: FleetState = { workers: [], trouble: null };
  // Workers known to an earlier attempt count as served: they may have been.
  const served = new Set(all.workers.map(({ name }) => name));
  try {
    while (!signal.aborted) {
      all = await observe(launcher, fleet, all);
      const changes = difference(reported, all);
      if (changes && (await isReported(onChange(changes, all)))) reported = all;
      for (const { name, state } of all.workers) if (state === 'running') served.add(name);
      judge(fleet, all, served);
      await sleep(OBSERVE_EVERY_MS, undefined, { signal }).catch(() => {});
    }
  } catch (error) {
    await launcher.tearDown(fleet);
    throw error;
  }
  if (await isOver()) await launcher.tearDown(fleet);
}

/** The current workers, and the last known state of those that vanished. */
async function observe(launcher: Launcher, fleet: FleetSpec, before: FleetState): Promise<FleetState> {
  try {
    await launcher.reconcile(fleet);
    const now = await launcher.observe(fleet);
    const seen = new Map(now.workers.map((worker) => [worker.name, worker]));
    const earlier = before.workers.map((worker): WorkerState => {
      const latest = seen.get(worker.name);
      seen.delete(worker.name);
      // A worker that is gone is never re-admitted, even if the kubelet of a lost node still reports it.
      if (latest && worker.state !== 'gone') return latest;
      if (worker.state === 'gone')
        return latest?.lastLines ? { ...worker, lastLines: latest.lastLines } : worker;
      return {
        ...worker,
        state: 'gone',
        cause: { kind: 'deleted', message: 'vanished between two observations' },
      };
    });
    return { workers: [...earlier, ...seen.values()], trouble: now.trouble };
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    return { ...before, trouble: { kind: 'api-away', message: error.message } };
  }
}

function difference(before: FleetState, now: FleetState): FleetChange | null {
  const known = new Map(before.workers.map((worker) => [worker.name, worker]));
  const workers = now.workers.filter((worker) => !isDeepStrictEqual(worker, known.get(worker.name)));
  return workers.length > 0 || !isDeepStrictEqual(before.trouble, now.trouble)
    ? { workers, trouble: now.trouble }
    : null;
}

async function isReported(report: Promise<void>): Promise<boolean> {
  try {
    await report;
    return true;
  } catch (error) {
    if (isUnavailable(error)) return false;
    throw error;
  }
}

/** @throws if the fleet cannot recover */
function judge(fleet: FleetSpec, { workers, trouble }: FleetState, served: Set<string>): void {
  for (const { name, cause, lastLines } of workers)
    if (cause && CAUSES[cause.kind].reaction === 'fail')
      throw new TypedFailure('BadInput', `${name}: ${causeText(cause)}${quoted(lastLines)}`);
  if (trouble && CAUSES[trouble.kind].reaction === 'fail')
    throw new TypedFailure('BadInput', causeText(trouble));
  const tooBig = workers.filter(
    ({ name, cause }) => cause && CAUSES[cause.kind].reaction === 'smaller-batch' && !served.has(name),
  );
  // A smaller batch does not help a worker that fails before its first shard.
  if (tooBig.length > 1)
    throw new TypedFailure(
      'FleetLost',
      `${tooBig[0]!.name}: ${causeText(tooBig[0]!.cause!)} before it could take a shard: give the workers more memory`,
    );
  const bornAfter = Date.now() - YOUNG_MS;
  const dead = workers.filter(
    ({ state, cause, createdAtMs = bornAfter }) =>
      state === 'gone' && cause && CAUSES[cause.kind].counts && createdAtMs >= bornAfter,
  );
  const last = dead.at(-1);
  // Single losses are normal; replacing each worker twice in a day is not.
  if (last && dead.length > 3 + 2 * fleet.workers)
    throw new TypedFailure(
      'FleetLost',
      `workers keep failing: ${dead.length} of this run within a day, the last (${last.name}) by ${causeText(last.cause!)}${quoted(last.lastLines)}`,
    );
}

function quoted(lastLines: string | undefined): string {
  return lastLines ? `. Its last lines:\n${lastLines}` : '';
}

function isUnavailable(error: unknown): error is TypedFailure {
  return error instanceof TypedFailure && error.failureClass === 'Unavailable';
}
