import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { runToEnd } from '../../cli/run-workflow.ts';
import type { TrainInput, TrainProgress, TrainResult } from '../../core/config/train-run.ts';
import { listCheckpoints } from '../../core/train/checkpoints.ts';
import { type Evaluation, readLog, trainRecordsOf } from '../../core/train/train-log.ts';
import { ROOT, startTessera, type Tessera } from './tessera.ts';

/** A training that takes seconds: 20 steps of 8 crops, a checkpoint every 5, an evaluation at the end. */
export const SHORT = [
  ...['train.steps=20', 'train.batch=8', 'run.batch=1', 'run.shards=2', 'run.overlays=0', 'run.workers=1'],
  ...[
    'train.schedule.warmup.steps=2',
    'train.logEvery=1',
    'train.checkpointEvery=5',
    'train.evaluateEvery=20',
  ],
];

/** Trainings on the mini set. */
export interface Trainings extends AsyncDisposable {
  tessera: Tessera;
  /** A request that works; tests change what they are about. */
  input(changes?: Partial<TrainInput>): TrainInput;
  start(workflowId: string, input: TrainInput): Promise<WorkflowHandle>;
  run(workflowId: string, input: TrainInput): Promise<TrainResult>;
  /** What must not depend on who did what, and what was lost. */
  outcome(workflowId: string): Promise<Outcome>;
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
  const { imageSuffix, annotationSuffix } = (await loadConfig('tiny')).dataset;
  await runToEnd(session, 'StageDataset', 'training-set', {
    ...{
      source: path.join(state, 'ade'),
      destination: `${ROOT}/datasets/mini`,
      name: 'mini',
      split: 'training',
    },
    ...{ imageDir: 'images/training', annotationDir: 'annotations/training', imageSuffix, annotationSuffix },
  });
  const start = (workflowId: string, input: TrainInput) =>
    session.client.workflow.start('TrainHead', { taskQueue: 'tessera', workflowId, args: [input] });
  return {
    tessera,
    input: (changes = {}) => ({
      ...{ config: 'tiny', weights: `${ROOT}/weights/backbone.pth`, dataset: `${ROOT}/datasets/mini` },
      ...{ output: `${ROOT}/runs`, overrides: SHORT },
      ...changes,
    }),
    start,
    run: async (workflowId, input) => (await start(workflowId, input)).result() as Promise<TrainResult>,
    outcome: (workflowId) => outcomeOf(tessera, workflowId),
    [Symbol.asyncDispose]: () => tessera[Symbol.asyncDispose](),
  };
}

async function outcomeOf({ session }: Tessera, workflowId: string): Promise<Outcome> {
  const prefix = `${ROOT}/runs/${workflowId}`;
  const last = (await listCheckpoints(session.store, `${prefix}/checkpoints`)).at(-1)!;
  const log = await readLog(session.store, prefix);
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
    const progress = await handle.query<TrainProgress>('progress').catch(() => null);
    if (progress && isReached(progress)) return progress;
    await sleep(50);
  }
  throw new Error('the progress that was waited for did not come within 60 s');
}
