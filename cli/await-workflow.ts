import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { Unavailable } from '../core/config/failures.ts';
import { isTemporalAway } from './explain.ts';
import type { Terminal } from './terminal.ts';

/** Where control workers listen. */
export const TASK_QUEUE = 'tessera';
/** `TASK_QUEUE_TYPE_WORKFLOW` of Temporal's API. */
const WORKFLOW_TASKS = 1;

const LOOK_EVERY_MS = 2_000;
const ANSWER_WITHIN_MS = 5_000;
/** Longer than that, and the run is no longer watched. */
const AWAY_AT_MOST_MS = 600_000;
/** A worker that lives asks for work at least once a minute. */
const LISTENED_WITHIN_MS = 90_000;
/** More than any control worker needs to take up what waits. */
const TAKEN_UP_WITHIN_MS = 10_000;

/**
 * A workflow's result. It needs no terminal that watches it: that Temporal is away for a while is reported and waited
 * for, and so is that no control worker takes the workflow up.
 *
 * @throws Unavailable if Temporal stays away, with how to come back
 */
export async function resultOf(client: Client, handle: WorkflowHandle, terminal: Terminal): Promise<unknown> {
  const over = new AbortController();
  const watch = watchService(client, handle, terminal, over.signal);
  const result = untilAnswered(() => handle.result(), over.signal);
  watch.catch(() => {});
  result.catch(() => {});
  try {
    return await Promise.race([result, watch.then(() => result)]);
  } finally {
    over.abort();
  }
}

/** How a workflow that is no longer watched is found again. */
export function comeBack({ workflowId }: WorkflowHandle): string {
  return (
    `come back with the same command and --workflow-id ${workflowId}, ` +
    `or with: temporal workflow result --workflow-id ${workflowId}`
  );
}

async function untilAnswered<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || !isTemporalAway(error)) throw error;
      await sleep(LOOK_EVERY_MS);
    }
  }
}

/** @throws Unavailable if Temporal stays away */
async function watchService(
  client: Client,
  handle: WorkflowHandle,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const started = Date.now();
  let awaySince: number | null = null;
  let isTakenUp = false;
  while (!signal.aborted) {
    try {
      const begun = await hasBegun(client, handle);
      if (awaySince && !signal.aborted) terminal.print('▸ Temporal answers again');
      awaySince = null;
      const isLate = Date.now() - started > TAKEN_UP_WITHIN_MS;
      if (!isTakenUp && !begun && (isLate || !(await isServed(client))) && !signal.aborted) {
        terminal.print(`▸ ${nobodyListens(client, handle)}`);
        isTakenUp = true; // Said once.
      }
      isTakenUp ||= begun;
    } catch (error) {
      // It may refuse such questions; the workflow's own result counts.
      if (signal.aborted || !isTemporalAway(error)) return;
      if (!awaySince)
        terminal.print(
          `▸ Temporal does not answer: waiting for it. ${handle.workflowId} needs no watcher to continue`,
        );
      awaySince ??= Date.now();
      if (Date.now() - awaySince > AWAY_AT_MOST_MS)
        throw new Unavailable(
          `Temporal has not answered for ${AWAY_AT_MOST_MS / 60_000} minutes. ` +
            `${handle.workflowId} continues once it does; ${comeBack(handle)}`,
        );
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
  }
}

/** Whether a worker has taken the workflow up. */
async function hasBegun(client: Client, handle: WorkflowHandle): Promise<boolean> {
  const { historyLength, status } = await within(client, () => handle.describe());
  return historyLength > 2 || status.name !== 'RUNNING';
}

/** Whether a control worker asks for work. */
export async function isServed(client: Client): Promise<boolean> {
  const { workflowService, options } = client;
  const request = {
    namespace: options.namespace,
    taskQueue: { name: TASK_QUEUE },
    taskQueueType: WORKFLOW_TASKS,
  };
  const { pollers } = await within(client, () => workflowService.describeTaskQueue(request));
  const since = Date.now() - LISTENED_WITHIN_MS;
  return (pollers ?? []).some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 > since);
}

export function nobodyListens(
  { options }: Client,
  { workflowId }: Pick<WorkflowHandle, 'workflowId'>,
): string {
  return (
    `nobody listens on task queue ${TASK_QUEUE} of Temporal's namespace ${options.namespace}: ${workflowId} waits for a ` +
    'control worker (on this machine: npx tessera stack; on a cluster: kubectl get deployment tessera-control -n tessera)'
  );
}

function within<T>(client: Client, work: () => Promise<T>): Promise<T> {
  return client.withDeadline(Date.now() + ANSWER_WITHIN_MS, work);
}
