import type { Client } from '@temporalio/client';

type Run = { workflowId: string; runId: string };
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

function decoded(data: Uint8Array | null | undefined): unknown {
  return data ? JSON.parse(Buffer.from(data).toString()) : undefined;
}
