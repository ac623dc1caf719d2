/**
 * Tessera from TypeScript: what the `tessera` command does, as functions.
 *
 *     import { compare, connect, follow, results, start } from 'tessera-vision';
 *
 *     await using tessera = await connect();
 *     const run = await start(tessera, 'EvalMIoU', { config: 'linear_probing', weights, head, dataset, output });
 *     for await (const { imagesDone, imagesTotal } of follow(run)) console.log(imagesDone, imagesTotal);
 *     const { mIoU, resultsUri } = await run.result();
 *     const { perClass } = await results(tessera, resultsUri);
 *     const { comparisons } = await compare(['s3://bucket/runs/before', 's3://bucket/runs/after']);
 *
 * Failures that a user can act on are instances of `TypedFailure`, whose message is a sentence.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Comparison } from '../core/config/comparison.ts';
import type { EvalInput, EvalResult, Progress } from '../core/config/eval.ts';
import { BadInput } from '../core/config/failures.ts';
import type { Results } from '../core/config/results.ts';
import type { StageDatasetInput, Staged, StageWeightsInput } from '../core/config/stage.ts';
import type { TableInput, TableProgress, TableResult } from '../core/config/table.ts';
import type { TrainResults } from '../core/config/train-results.ts';
import type { TrainInput, TrainProgress, TrainResult } from '../core/config/train-run.ts';
import { BOOTSTRAP, type Bootstrap } from '../core/metric/compare.ts';
import { compareRuns } from '../core/metric/compare-runs.ts';
import { readResults } from '../core/read-results.ts';
import { readTrainResults } from '../core/read-train-results.ts';
import { resultOf } from './await-workflow.ts';
import { findRuns } from './results/find-run.ts';
import { readEvaluation } from './results/read-run.ts';
import { readable } from './run-workflow.ts';
import { connectSession, type Session } from './session.ts';
import { startOrFind } from './start-workflow.ts';
import { SILENT } from './terminal.ts';
import { timestamp } from './timestamp.ts';

export type { Comparison } from '../core/config/comparison.ts';
export { FAILURE_CLASSES, TypedFailure } from '../core/config/failures.ts';
export type { Results } from '../core/config/results.ts';
export type { TrainResults } from '../core/config/train-results.ts';
export type { Store } from '../core/store.ts';
export type { Session } from './session.ts';

/** The workflows, by the type that they are started as. */
export interface Workflows {
  EvalMIoU: { input: EvalInput; progress: Progress; result: EvalResult };
  Train: { input: TrainInput; progress: TrainProgress; result: TrainResult };
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
  return connectSession(SILENT);
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

/** What an evaluation has published. @param uri its `resultsUri` @throws BadInput if it isn't there */
export function results({ store }: Session, uri: string): Promise<Results> {
  return readResults(store, uri);
}

/** What a training has published. @param uri its `resultsUri` @throws BadInput if it isn't there */
export function trainResults({ store }: Session, uri: string): Promise<TrainResults> {
  return readTrainResults(store, uri);
}

/**
 * Compares evaluations on the same images with the first one: differences with intervals, by a paired bootstrap over
 * images.
 *
 * @param runs workflow ids, `s3://` addresses of results, or folders; only ids need a Temporal
 * @throws BadInput naming what is not there, or can't be compared
 */
export async function compare(runs: string[], bootstrap: Partial<Bootstrap> = {}): Promise<Comparison> {
  const [baseline, ...others] = await Promise.all((await findRuns(runs)).map(readEvaluation));
  if (!baseline || others.length === 0)
    throw new BadInput('compare: name at least two runs; the first one is the baseline');
  return compareRuns(baseline, others, { ...BOOTSTRAP, ...bootstrap });
}
