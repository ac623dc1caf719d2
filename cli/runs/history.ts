import type { Client } from '@temporalio/client';
import type { KeptFailure } from './failure-chain.ts';

type Run = { workflowId: string; runId: string };
type Histories = Awaited<ReturnType<Client['workflowService']['getWorkflowExecutionHistoryReverse']>>;
type HistoryEvent = NonNullable<NonNullable<NonNullable<Histories['history']>['events']>[number]>;
/** Of Temporal's `HistoryEventFilterType`. */
const CLOSE_EVENT = 2;

/** What a run was started with, from its history's first event. */
export async function inputOf(client: Client, run: Run): Promise<unknown> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: run,
    maximumPageSize: 1,
  });
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  return decoded(started?.input?.payloads?.[0]?.data);
}

/** What a completed run returned, from its history's last event. */
export async function resultOf(client: Client, run: Run): Promise<unknown> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: run,
    historyEventFilterType: CLOSE_EVENT,
  });
  const completed = history?.events?.at(-1)?.workflowExecutionCompletedEventAttributes;
  return decoded(completed?.result?.payloads?.[0]?.data);
}

export function decoded(data: Uint8Array | null | undefined): unknown {
  return data ? JSON.parse(Buffer.from(data).toString()) : undefined;
}

/** How a run ended, by its history's last event. */
export interface Ending {
  failure: KeptFailure | null;
  /** Who terminated it, and why; what of its own time-outs passed. */
  words: string | null;
}

export async function endingOf(client: Client, run: Run): Promise<Ending> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: run,
    historyEventFilterType: CLOSE_EVENT,
  });
  const last = history?.events?.at(-1);
  const terminated = last?.workflowExecutionTerminatedEventAttributes;
  return {
    failure: last?.workflowExecutionFailedEventAttributes?.failure ?? null,
    words: terminated
      ? `terminated by ${terminated.identity || 'somebody'}${terminated.reason ? `: ${terminated.reason}` : ''}`
      : last?.workflowExecutionTimedOutEventAttributes
        ? 'the time passed that its workflow was given when it was started'
        : null,
  };
}

/** Events from the end on that are looked through: what is sought lies near it. */
const PAGE = 500;
const MAX_PAGES = 6;

/** Looks for something in a run's events, the latest first; null if it isn't among the latest thousands. */
export async function findLatest<T>(
  client: Client,
  run: Run,
  read: (event: HistoryEvent) => T | null,
): Promise<T | null> {
  let nextPageToken: Uint8Array | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await client.workflowService.getWorkflowExecutionHistoryReverse({
      namespace: client.options.namespace,
      execution: run,
      maximumPageSize: PAGE,
      ...(nextPageToken ? { nextPageToken } : {}),
    });
    for (const event of answer.history?.events ?? []) {
      const found = read(event);
      if (found !== null) return found;
    }
    nextPageToken = answer.nextPageToken;
    if (!nextPageToken?.length) return null;
  }
  return null;
}

/** Who asked for a run's cancellation. */
export function cancelledBy(client: Client, run: Run): Promise<string | null> {
  return findLatest(client, run, ({ workflowExecutionCancelRequestedEventAttributes: asked }) =>
    asked ? (asked.identity ?? '') : null,
  );
}

/** The shard that an activity worked on, by the event that scheduled it. */
export function shardOf(client: Client, run: Run, scheduledEventId: string): Promise<number | null> {
  return findLatest(client, run, ({ eventId, activityTaskScheduledEventAttributes: scheduled }) => {
    if (String(eventId) !== scheduledEventId) return null;
    const task = decoded(scheduled?.input?.payloads?.[0]?.data) as { range?: { shard?: number } } | undefined;
    return task?.range?.shard ?? null;
  });
}
