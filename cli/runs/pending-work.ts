import type { WorkflowExecutionDescription } from '@temporalio/client';
import type { ShardHeartbeat } from '../../core/config/eval.ts';
import { decoded } from './history.ts';
import type { ProgressView } from './progress-view.ts';
import { durationText } from './texts.ts';
import { shortName } from './worker-name.ts';

type Pending = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];
type Timestamp = { seconds?: { toString(): string } | null; nanos?: number | null } | null | undefined;

/** Of Temporal's `PendingActivityState`. */
const SCHEDULED = 1;
const STARTED = 2;
/** A shard is slow if it takes twice as long as the slowest one that is done, but not below half a minute. */
const SLOW_TIMES = 2;
const SLOW_SECONDS = 30;
/** So long a worker may take to come by itself. */
const PATIENCE_SECONDS = 5;

/** What of a run is slow, and what it waits for, each a sentence; from what Temporal has not seen the end of. */
export function pendingWork(
  { pendingActivities }: Pick<WorkflowExecutionDescription['raw'], 'pendingActivities'>,
  progress: ProgressView | null,
  nowMs: number,
): { slow: string[]; waitsFor: string[] } {
  const pending = pendingActivities ?? [];
  const slowAfter = Math.max(SLOW_SECONDS, SLOW_TIMES * (progress?.shards?.slowestSeconds ?? 0));
  const slow = pending.filter((one) => isShard(one) && secondsOf(one, nowMs) > slowAfter);
  return {
    slow: slow.map((one) => slowText(one, nowMs)),
    waitsFor: [
      ...(progress?.trouble ? [progress.trouble] : []),
      ...workersWaiting(progress),
      ...untaken(pending, nowMs),
      ...retried(pending),
      ...rowsWaiting(progress),
    ],
  };
}

function isShard({ activityType, state }: Pending): boolean {
  return activityType?.name === 'evaluateShard' && state === STARTED;
}

function slowText(one: Pending, nowMs: number): string {
  const beat = decoded(one.heartbeatDetails?.payloads?.[0]?.data) as ShardHeartbeat | undefined;
  const done = beat ? `${beat.imagesDone} of ${beat.images} images` : 'a shard';
  return `${shortName(one.lastWorkerIdentity ?? beat?.worker ?? 'a worker')}: ${done} after ${durationText(secondsOf(one, nowMs))}`;
}

/** Workers that have not begun, by the cause that holds them back. */
function workersWaiting(progress: ProgressView | null): string[] {
  const counts = new Map<string, number>();
  for (const { state } of progress?.workers ?? [])
    if (/^(waiting|starting)/.test(state)) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${count === 1 ? 'worker' : 'workers'} ${state}`);
}

/** Work that nobody has taken up. */
function untaken(pending: Pending[], nowMs: number): string[] {
  const waiting = pending.filter(
    (one) =>
      one.state === SCHEDULED &&
      (one.attempt ?? 1) <= 1 &&
      secondsSince(one.scheduledTime, nowMs) > PATIENCE_SECONDS,
  );
  const counts = new Map<string, number>();
  for (const { activityType } of waiting) {
    const name = activityType?.name ?? 'an activity';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${count} × ${name}: no worker has taken it up yet`);
}

/** What is tried again, and why. */
function retried(pending: Pending[]): string[] {
  return pending
    .filter(({ attempt, lastFailure }) => (attempt ?? 1) > 1 && lastFailure)
    .map(
      ({ activityType, attempt, lastFailure }) =>
        `${activityType?.name}, try ${attempt}: ${lastFailure?.message}`,
    );
}

function rowsWaiting(progress: ProgressView | null): string[] {
  return (progress?.rows ?? [])
    .filter(({ state }) => state === 'running')
    .map(({ name, id }) => `row ${name}, which is run ${id}`);
}

function secondsOf(one: Pending, nowMs: number): number {
  return secondsSince(one.lastStartedTime, nowMs);
}

function secondsSince(time: Timestamp, nowMs: number): number {
  return time ? nowMs / 1000 - Number(time.seconds ?? 0) : 0;
}
