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

const LOOK_EVERY_MS = 1_000;
/** Of the dead, only workers that began within this time count: a training of weeks outlives many. */
const YOUNG_MS = 24 * 3_600_000;

export interface KeepOptions {
  signal: AbortSignal;
  /** Workers that an earlier keeper of this fleet knew: a cause of death outlives the pod. */
  known?: WorkerState[];
  /** Asked when the signal came: whether the run is over, or only this keeper is and another one follows. */
  isOver(): Promise<boolean>;
  /** Is told what changed, and everything that is known. @throws Unavailable to be told again */
  onChange(changes: FleetChange, all: FleetState): Promise<void>;
}

/**
 * Launches a run's workers and keeps as many of them alive as the run wants, until it is told to stop.
 * A cluster that doesn't answer for a while is waited for: the workers work on meanwhile.
 *
 * @throws BadInput for a cause that waiting can't mend, FleetLost if workers die faster than bad luck explains;
 *   both in the words of who saw it
 */
export async function keepFleet(launcher: Launcher, fleet: FleetSpec, options: KeepOptions): Promise<void> {
  const { signal, isOver, onChange } = options;
  let all: FleetState = { workers: options.known ?? [], trouble: null };
  let told: FleetState = { workers: [], trouble: null };
  // Those that an earlier keeper knew may have served; nothing is held against them.
  const served = new Set(all.workers.map(({ name }) => name));
  try {
    while (!signal.aborted) {
      all = await look(launcher, fleet, all);
      const changes = difference(told, all);
      if (changes && (await isTold(onChange(changes, all)))) told = all;
      for (const { name, state } of all.workers) if (state === 'running') served.add(name);
      judge(fleet, all, served);
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    }
  } catch (error) {
    await launcher.tearDown(fleet);
    throw error;
  }
  if (await isOver()) await launcher.tearDown(fleet);
}

/** What is to be seen now, and what was seen of those that have vanished since. */
async function look(launcher: Launcher, fleet: FleetSpec, before: FleetState): Promise<FleetState> {
  try {
    await launcher.reconcile(fleet);
    const now = await launcher.observe(fleet);
    const seen = new Map(now.workers.map((worker) => [worker.name, worker]));
    const earlier = before.workers.map((worker): WorkerState => {
      const latest = seen.get(worker.name);
      seen.delete(worker.name);
      // Who went stays gone, whatever the kubelet of a lost node still claims.
      if (latest && worker.state !== 'gone') return latest;
      if (worker.state === 'gone')
        return latest?.lastLines ? { ...worker, lastLines: latest.lastLines } : worker;
      return { ...worker, state: 'gone', cause: { kind: 'deleted', message: 'vanished between two looks' } };
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

async function isTold(telling: Promise<void>): Promise<boolean> {
  try {
    await telling;
    return true;
  } catch (error) {
    if (isUnavailable(error)) return false;
    throw error;
  }
}

/** @throws if the fleet is past hope */
function judge(fleet: FleetSpec, { workers, trouble }: FleetState, served: Set<string>): void {
  for (const { name, cause, lastLines } of workers)
    if (cause && CAUSES[cause.kind].reaction === 'fail')
      throw new TypedFailure('BadInput', `${name}: ${causeText(cause)}${quoted(lastLines)}`);
  if (trouble && CAUSES[trouble.kind].reaction === 'fail')
    throw new TypedFailure('BadInput', causeText(trouble));
  const tooBig = workers.filter(
    ({ name, cause }) => cause && CAUSES[cause.kind].reaction === 'smaller-batch' && !served.has(name),
  );
  // A smaller batch is no help to a worker that doesn't come so far.
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
  // A worker may be lost now and then; a fleet that replaces each worker twice in a day has another trouble.
  if (last && dead.length > 3 + 2 * fleet.workers)
    throw new TypedFailure(
      'FleetLost',
      `workers keep dying: ${dead.length} of this run within a day, the last (${last.name}) by ${causeText(last.cause!)}${quoted(last.lastLines)}`,
    );
}

function quoted(lastLines: string | undefined): string {
  return lastLines ? `. Its last lines:\n${lastLines}` : '';
}

function isUnavailable(error: unknown): error is TypedFailure {
  return error instanceof TypedFailure && error.failureClass === 'Unavailable';
}
