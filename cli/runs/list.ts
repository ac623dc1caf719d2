import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { BadInput } from '../../core/config/failures.ts';
import {
  currentType,
  FORMER_KINDS,
  listedInput,
  MEMO_KEY,
  nameOf,
  RUN_KINDS,
  type RunMemo,
  RunMemoSchema,
  STAGE_KINDS,
} from '../../core/config/listing.ts';
import { columnsText } from './columns.ts';
import { inputOf, resultOf } from './history.ts';
import { askProgress, type ProgressView, shareOf } from './progress-view.ts';
import { type RunRow, type RunState, runColumns, STATES, stateOf } from './run-row.ts';
import { openTemporal, soon } from './temporal.ts';
import { sinceDate } from './texts.ts';

export interface ListOptions {
  all?: true;
  state?: string;
  since?: string;
  limit: string;
  json?: true;
}

/** Together with the list call, the first line comes within 0.8 s. */
const DETAILS_WITHIN_MS = 400;

/** `tessera ls`: one list call; what runs is asked for its progress, all at once and for a limited time. */
export async function list(options: ListOptions): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1)
    throw new BadInput(`--limit ${options.limit}: expected a whole number of runs, 1 or more`);
  const query = listQuery(options, Date.now());
  await using temporal = await openTemporal();
  const { client } = temporal;
  const found: WorkflowExecutionInfo[] = [];
  for await (const run of client.workflow.list({ query, pageSize: limit + 1 })) {
    found.push(run);
    if (found.length > limit) break;
  }
  const rows = await Promise.all(found.slice(0, limit).map((run) => rowOf(client, run)));
  rows.sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  if (options.json) console.log(JSON.stringify(rows, null, 2));
  else if (rows.length === 0) console.error(nothing(options));
  else console.log(columnsText(runColumns(Date.now()), rows, process.stdout.columns));
  if (found.length > limit) console.error(`… there are more: tessera ls --limit ${limit * 5}`);
}

/**
 * Temporal's query for the runs that are asked for.
 *
 * @throws BadInput for a state or a time that there isn't
 */
export function listQuery(
  { all, state, since }: Pick<ListOptions, 'all' | 'state' | 'since'>,
  nowMs: number,
): string {
  const kinds = [...RUN_KINDS, ...FORMER_KINDS, ...(all ? STAGE_KINDS : [])].map((kind) => `'${kind}'`);
  const conditions = [`WorkflowType IN (${kinds.join(', ')})`];
  // Parts of other runs, such as a training's evaluations.
  if (!all) conditions.push('ParentWorkflowId IS NULL');
  if (state) conditions.push(`ExecutionStatus IN (${state.split(',').map(status).join(', ')})`);
  if (since) conditions.push(`StartTime > '${sinceDate(since, nowMs).toISOString()}'`);
  return conditions.join(' AND ');
}

function status(text: string): string {
  const name = text.trim().toLowerCase().replace('canceled', 'cancelled').replace('timedout', 'timed-out');
  if (!(name in STATES))
    throw new BadInput(
      `--state ${text}: expected one or more of ${Object.keys(STATES).join(', ')}, joined by commas`,
    );
  return `'${STATES[name as RunState]}'`;
}

function nothing({ state, since, all }: ListOptions): string {
  const narrowed = state || since ? ' like that' : '';
  return `no runs${narrowed} in this namespace${all ? '' : ' (--all shows staging and parts of runs, too)'}`;
}

async function rowOf(client: Client, run: WorkflowExecutionInfo): Promise<RunRow> {
  const { workflowId, runId, type, startTime, closeTime, memo, parentExecution } = run;
  const state = stateOf(run.status.name);
  const told = RunMemoSchema.safeParse(memo?.[MEMO_KEY]).data ?? null;
  const [listed, at] = await Promise.all([
    told ?? soon(client, DETAILS_WITHIN_MS, () => fromHistory(client, run)),
    state === 'running' ? soon(client, DETAILS_WITHIN_MS, () => progressOf(client, run)) : null,
  ]);
  return {
    id: workflowId,
    runId,
    kind: currentType(type),
    state,
    config: listed?.config ?? null,
    dataset: listed?.dataset ?? null,
    // Nobody is to take what a budget has ended for the whole.
    phase: at?.phase ?? (listed?.partial ? 'partial' : null),
    share: state === 'completed' ? (listed?.partial ?? 1) : at && shareOf(at),
    mIoU: at?.mIoU ?? listed?.mIoU ?? null,
    startedAt: startTime.toISOString(),
    endedAt: closeTime?.toISOString() ?? null,
    cost: listed?.cost ?? null,
    labels: listed?.labels ?? {},
    parent: parentExecution?.workflowId ?? null,
  };
}

/** What a run without a memo was started with, and returned: an earlier version's, or one whose plan failed. */
async function fromHistory(client: Client, run: WorkflowExecutionInfo): Promise<Partial<RunMemo>> {
  const [input, result] = await Promise.all([
    inputOf(client, run),
    run.status.name === 'COMPLETED' ? resultOf(client, run) : null,
  ]);
  const listed = run.type.startsWith('Stage')
    ? { dataset: nameOf((input as { destination?: string }).destination ?? '') }
    : listedInput({ dataset: '', ...(input as object) });
  const { mIoU, last } = (result ?? {}) as { mIoU?: number; last?: { mIoU: number | null } };
  return { ...listed, mIoU: mIoU ?? last?.mIoU ?? null };
}

/** What a running one answers, in one form. */
async function progressOf(
  client: Client,
  { workflowId, runId, type }: WorkflowExecutionInfo,
): Promise<ProgressView | null> {
  return askProgress(client.workflow.getHandle(workflowId, runId), type);
}
