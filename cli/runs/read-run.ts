import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/client';
import { distance } from 'fastest-levenshtein';
import { BadInput } from '../../core/config/failures.ts';
import { currentType, listedInput, MEMO_KEY, RunMemoSchema } from '../../core/config/listing.ts';
import { remedyFor } from '../../core/config/remedies.ts';
import { isServed, nobodyListens } from '../await-workflow.ts';
import { failureChain } from './failure-chain.ts';
import { cancelledBy, endingOf, inputOf, resultOf, shardOf } from './history.ts';
import { pendingWork } from './pending-work.ts';
import { askProgress, shareOf } from './progress-view.ts';
import type { RunPicture } from './run-picture.ts';
import { stateOf } from './run-row.ts';
import { runPage, soon, type Temporal } from './temporal.ts';

/** A control worker that is there answers in less; a long finished history takes it a moment to replay. */
const PROGRESS_WITHIN_MS = 2_500;
const DETAILS_WITHIN_MS = 5_000;
/** Ids that a wrong one is compared with. */
const KNOWN_IDS = 200;

/**
 * A run as Temporal knows it.
 *
 * @throws BadInput if there is none of this id, with the nearest one that there is
 */
export async function describeRun(
  { client, namespace }: Pick<Temporal, 'client' | 'namespace'>,
  workflowId: string,
): Promise<WorkflowExecutionDescription> {
  try {
    return await client.workflow.getHandle(workflowId).describe();
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    const near = await soon(client, 1_000, () => nearest(client, workflowId));
    throw new BadInput(
      `there is no run ${workflowId} in Temporal's namespace ${namespace}` +
        (near ? `; did you mean ${near}?` : ': tessera ls shows those that there are'),
    );
  }
}

async function nearest(client: Client, workflowId: string): Promise<string | null> {
  let best: { id: string; apart: number } | null = null;
  let count = 0;
  for await (const { workflowId: id } of client.workflow.list({ pageSize: KNOWN_IDS })) {
    const apart = id.startsWith(workflowId) ? 1 : distance(workflowId, id);
    if (!best || apart < best.apart) best = { id, apart };
    if (++count >= KNOWN_IDS) break;
  }
  return best && best.apart <= Math.max(2, workflowId.length / 3) ? best.id : null;
}

/** All that Temporal knows of a run, and the run of itself, in one picture. @throws BadInput for an unknown id */
export async function readRun(temporal: Temporal, workflowId: string): Promise<RunPicture> {
  const { client } = temporal;
  const described = await describeRun(temporal, workflowId);
  const { runId, type, startTime, closeTime, memo, parentExecution } = described;
  const run = { workflowId, runId };
  const state = stateOf(described.status.name);
  const told = RunMemoSchema.safeParse(memo?.[MEMO_KEY]).data ?? null;
  const details = <T>(ask: () => Promise<T>) => soon(client, DETAILS_WITHIN_MS, ask);
  const [listed, progress, result, failure, served] = await Promise.all([
    told ?? details(async () => listedInput({ dataset: '', ...((await inputOf(client, run)) as object) })),
    soon(client, PROGRESS_WITHIN_MS, () => askProgress(client.workflow.getHandle(workflowId, runId), type)),
    state === 'completed' ? details(() => resultOf(client, run)) : null,
    state === 'completed' || state === 'running' ? null : details(() => failureOf(client, run, state)),
    state === 'running' ? details(() => isServed(client)) : true,
  ]);
  const outcome = (result ?? {}) as Outcome;
  const pending = pendingWork(described.raw, progress, Date.now());
  return {
    id: workflowId,
    runId,
    kind: currentType(type),
    state,
    config: listed?.config || null,
    dataset: listed?.dataset || null,
    labels: listed?.labels ?? {},
    phase: state === 'running' ? (progress?.phase ?? null) : null,
    share: state === 'completed' ? 1 : progress && shareOf(progress),
    mIoU: outcome.mIoU ?? outcome.last?.mIoU ?? told?.mIoU ?? progress?.mIoU ?? null,
    startedAt: startTime.toISOString(),
    endedAt: closeTime?.toISOString() ?? null,
    seconds: ((closeTime?.getTime() ?? Date.now()) - startTime.getTime()) / 1000,
    cost: told?.cost ?? null,
    parent: parentExecution?.workflowId ?? null,
    progress,
    failure,
    slow: state === 'running' ? pending.slow : [],
    waitsFor:
      state !== 'running'
        ? []
        : [...(served === false ? [nobodyListens(client, run)] : []), ...pending.waitsFor],
    page: runPage(temporal, workflowId),
    resultsUri: outcome.resultsUri ?? outcome.tableUri ?? null,
    reportUri: outcome.reportUri ?? outcome.pageUri ?? null,
  };
}

interface Outcome {
  mIoU?: number | null;
  last?: { mIoU: number | null };
  resultsUri?: string;
  reportUri?: string;
  tableUri?: string;
  pageUri?: string;
}

async function failureOf(
  client: Client,
  run: { workflowId: string; runId: string },
  state: RunPicture['state'],
): Promise<RunPicture['failure']> {
  const { failure, words } = await endingOf(client, run);
  if (failure) {
    const { activity, ...chain } = failureChain(failure);
    const shard =
      activity?.type === 'evaluateShard' ? await shardOf(client, run, activity.scheduledEventId) : null;
    return { ...chain, shard, remedy: remedyFor(chain.class, run.workflowId) };
  }
  const by = state === 'cancelled' ? await cancelledBy(client, run) : null;
  const message = words ?? (by ? `cancelled by ${by}` : state);
  const remedy = `To run it again: tessera rerun ${run.workflowId}`;
  return { class: null, message, causes: [], worker: null, shard: null, remedy };
}
