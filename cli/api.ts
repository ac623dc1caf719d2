/**
 * Tessera from TypeScript: what the `tessera` command does, as functions.
 *
 *     import { connect, follow, readResults, start } from 'tessera-vision';
 *
 *     await using tessera = await connect();
 *     const run = await start(tessera, 'EvalMIoU', { config: 'linear_probing', weights, head, dataset, output });
 *     for await (const { imagesDone, imagesTotal } of follow(run)) console.log(imagesDone, imagesTotal);
 *     const { mIoU, resultsUri } = await run.result();
 *
 * Failures that a user can act on are instances of `TypedFailure`, whose message is a sentence.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EvalInput, EvalResult, Progress } from '../core/config/eval.ts';
import type { StageDatasetInput, Staged, StageWeightsInput } from '../core/config/stage.ts';
import type { TableInput, TableProgress, TableResult } from '../core/config/table.ts';
import type { TrainInput, TrainProgress, TrainResult } from '../core/config/train-run.ts';
import { resultOf } from './await-workflow.ts';
import { timestamp } from './commands/run.ts';
import { readable } from './run-workflow.ts';
import { openSession, type Session } from './session.ts';
import { startOrFind } from './start-workflow.ts';
import { SILENT } from './terminal.ts';

export { FAILURE_CLASSES, TypedFailure } from '../core/config/failures.ts';
export type { Results } from '../core/config/results.ts';
export type { TrainResults } from '../core/config/train-results.ts';
export { readResults } from '../core/read-results.ts';
export { readTable } from '../core/read-table.ts';
export { readTrainResults } from '../core/read-train-results.ts';
export type { Store } from '../core/store.ts';
export type { Session } from './session.ts';

/** The workflows, by the type that they are started as. */
export interface Workflows {
  EvalMIoU: { input: EvalInput; progress: Progress; result: EvalResult };
  TrainHead: { input: TrainInput; progress: TrainProgress; result: TrainResult };
  ReproduceTable: { input: TableInput; progress: TableProgress; result: TableResult };
  StageDataset: { input: StageDatasetInput; progress: never; result: Staged };
  StageWeights: { input: StageWeightsInput; progress: never; result: Staged };
}
export type WorkflowType = keyof Workflows;

/** A workflow that was started. */
export interface Run<T extends WorkflowType> {
  workflowId: string;
  /** What it says of itself now. */
  progress(): Promise<Workflows[T]['progress']>;
  /** Its result, once it has ended. @throws TypedFailure if it failed or was cancelled */
  result(): Promise<Workflows[T]['result']>;
  cancel(): Promise<void>;
}

/**
 * Connects to the Temporal that TEMPORAL_ADDRESS names and the S3 of the AWS variables; without them to the local stack
 * that `tessera stack` keeps up, or to one of this process's own that ends with it.
 *
 * @throws BadInput if no server answers
 */
export function connect(): Promise<Session> {
  return openSession(SILENT);
}

/**
 * Starts a workflow. The id of one that runs with the same input gives that one.
 *
 * @throws BadInput if something else runs under the id
 */
export async function start<T extends WorkflowType>(
  { client }: Session,
  type: T,
  input: Workflows[T]['input'],
  { workflowId = `${type}-${timestamp(new Date())}` }: { workflowId?: string } = {},
): Promise<Run<T>> {
  const handle = await startOrFind(client, { type, workflowId, input }, SILENT);
  return {
    workflowId,
    progress: () => handle.query<Workflows[T]['progress']>('progress'),
    async result() {
      try {
        return (await resultOf(client, handle, SILENT)) as Workflows[T]['result'];
      } catch (error) {
        throw await readable(error);
      }
    },
    async cancel() {
      await handle.cancel();
    },
  };
}

/** What a run says of itself, from time to time until it has ended. How it ended is in its `result`. */
export async function* follow<T extends WorkflowType>(
  run: Run<T>,
  { everyMs = 1_000 }: { everyMs?: number } = {},
): AsyncGenerator<Workflows[T]['progress']> {
  const over = new AbortController();
  const end = () => over.abort();
  run.result().then(end, end);
  while (!over.signal.aborted) {
    // A workflow that no worker has taken up yet answers nothing.
    const progress = await run.progress().catch(() => null);
    if (progress) yield progress;
    await sleep(everyMs, undefined, { signal: over.signal }).catch(() => {});
  }
}
