import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { runToEnd } from '../../cli/run-workflow.ts';
import { queryProgress } from '../../core/config/run-messages.ts';
import type { StageDatasetInput } from '../../core/config/stage.ts';
import type { TrainInput, TrainProgress, TrainResult } from '../../core/config/train-run.ts';
import type { Store } from '../../core/store.ts';
import { listCheckpoints } from '../../core/train/checkpoint-pointers.ts';
import { type Evaluation, readLog, trainRecordsOf } from '../../core/train/train-log.ts';
import { ROOT, startTessera, type Tessera } from './tessera.ts';

/** A training that takes seconds: 20 steps of 8 crops, a checkpoint every 5, an evaluation at the end. */
export const SHORT = [
  'train.steps=20',
  'train.batch=8',
  'run.batch=1',
  'run.shards=2',
  'run.overlays=0',
  'run.workers=1',
  'train.schedule.warmup.steps=2',
  'train.logEvery=1',
  'train.checkpointEvery=5',
  'train.evaluateEvery=20',
];

/** Runs of `Train` on the mini set, wherever their workers are. */
export interface TrainingRuns {
  /** A request that works; tests change what they are about. */
  input(changes?: Partial<TrainInput>): TrainInput;
  start(workflowId: string, input: TrainInput): Promise<WorkflowHandle>;
  run(workflowId: string, input: TrainInput): Promise<TrainResult>;
  /** What must not depend on who did what, and what was lost. */
  outcome(workflowId: string): Promise<Outcome>;
}

export interface Trainings extends TrainingRuns, AsyncDisposable {
  tessera: Tessera;
}

export interface Outcome {
  /** Of the last checkpoint's files. */
  head: string;
  optimizer: string;
  losses: { iter: number; loss: number; lr: number }[];
  evaluations: Omit<Evaluation, 'resultsUri'>[];
}

export async function startTrainings({ images }: { images: number }): Promise<Trainings> {
  const tessera = await startTessera({ images });
  const { session, state } = tessera;
  await runToEnd(session, 'StageDataset', 'training-set', await trainingSet(state));
  return {
    ...trainingsOf(session.client, session.store),
    tessera,
    [Symbol.asyncDispose]: () => tessera[Symbol.asyncDispose](),
  };
}

/** What stages the split that is trained on, of the images that `makeData` has made in a folder. */
export async function trainingSet(folder: string): Promise<StageDatasetInput> {
  const { imageSuffix, annotationSuffix } = (await loadConfig('tiny')).dataset;
  return {
    source: path.join(folder, 'ade'),
    destination: `${ROOT}/datasets/mini`,
    name: 'mini',
    split: 'training',
    imageSuffix,
    annotationSuffix,
    imageDir: 'images/training',
    annotationDir: 'annotations/training',
  };
}

export function trainingsOf(client: Client, store: Store): TrainingRuns {
  const start = (workflowId: string, input: TrainInput) =>
    client.workflow.start('Train', { taskQueue: 'tessera', workflowId, args: [input] });
  return {
    input: (changes = {}) => ({
      config: 'tiny',
      weights: `${ROOT}/weights/backbone.pth`,
      dataset: `${ROOT}/datasets/mini`,
      output: `${ROOT}/runs`,
      overrides: SHORT,
      ...changes,
    }),
    start,
    run: async (workflowId, input) => (await start(workflowId, input)).result() as Promise<TrainResult>,
    outcome: (workflowId) => outcomeOf(store, workflowId),
  };
}

async function outcomeOf(store: Store, workflowId: string): Promise<Outcome> {
  const prefix = `${ROOT}/runs/${workflowId}`;
  const last = (await listCheckpoints(store, `${prefix}/checkpoints`)).at(-1)!;
  const log = await readLog(store, prefix);
  return {
    head: last.head.sha256,
    optimizer: last.optimizer.sha256,
    losses: trainRecordsOf(log).map(({ iter, loss, lr }) => ({ iter, loss, lr })),
    evaluations: log
      .filter(({ mode }) => mode === 'val')
      .map(({ iter, mIoU, mAcc, aAcc }) => ({ step: iter, mIoU, mAcc, aAcc }) as Evaluation),
  };
}

/** Waits until a training's progress looks as wanted. */
export async function untilTraining(
  handle: WorkflowHandle,
  isReached: (progress: TrainProgress) => boolean,
): Promise<TrainProgress> {
  for (let i = 0; i < 1_200; i++) {
    const progress = await queryProgress(handle, 'Train').catch(() => null);
    if (progress && isReached(progress)) return progress;
    await sleep(50);
  }
  throw new Error('the progress that was waited for did not come within 60 s');
}
