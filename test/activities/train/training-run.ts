import {
  type Feed,
  type SegmentBeat,
  type SegmentContext,
  type Trainer,
  trainSegment,
} from '../../../activities/train/train-segment.ts';
import type { HeadState } from '../../../core/config/train.ts';
import type { SegmentTask, TrainRun, TrainStart } from '../../../core/config/train-run.ts';
import { headSpecs, isParameter } from '../../../core/model/head.ts';
import type { Store } from '../../../core/store.ts';
import { initialHead } from '../../../core/train/initial-head.ts';
import { tinyConfig } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

/** A config of the smallest model that says how to train: 20 steps of 4 crops. */
export function trainable(...overrides: string[]): TrainRun['config'] {
  const config = tinyConfig(
    'train.steps=20',
    'train.batch=4',
    'train.checkpointEvery=5',
    'train.evaluateEvery=10',
    'train.logEvery=3',
    'train.optimizer={"type":"adamw","lr":0.01,"weightDecay":0}',
    'train.schedule={"type":"poly","warmup":{"steps":2,"ratio":0.001}}',
    'train.data={}',
    'train.augmentation={"longPx":112,"shortPx":28}',
    ...overrides,
  );
  return config as TrainRun['config'];
}

export function trainRun({ config = trainable(), start = { from: 'scratch' } as TrainStart } = {}): TrainRun {
  const object = (name: string) => ({ uri: `s3://bucket/${name}`, sha256: '0'.repeat(64), sizeBytes: 1 });
  const ids = { workflowId: 'train-1', runId: 'run-1' };
  return {
    ...ids,
    prefix: 's3://bucket/runs/train-1',
    codeVersion: '0.1.0+abc',
    imageDigest: null,
    config,
    start,
    classes: { name: 'two', classes: [{ name: 'wall', color: [1, 2, 3] }] },
    weights: object('weights.pth'),
    dataset: { ...object('data/training.manifest.json'), name: 'tiny', split: 'training', images: 8 },
    evaluation: { dataset: 's3://bucket/data', split: 'validation' },
    fleet: {
      ...ids,
      name: 'train-run-1',
      launcher: 'local',
      taskQueue: 'q',
      workers: 1,
      device: 'cpu',
      deadlineSeconds: 60,
      logs: 's3://bucket/logs',
    },
    deadlineSeconds: 60,
  };
}

/** Something that learns: a step changes each tensor by its number alone, as the real trainer does by its batch. */
export function fakeTrainer(
  state: HeadState,
  loss: (step: number) => number = (step) => 5 / step,
): Trainer<number> {
  const tensors = new Map(
    [...state.tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
  );
  const moments = new Map(
    [...state.moments].map(([name, { first, second }]) => [
      name,
      { first: first.slice(), second: second.slice() },
    ]),
  );
  let { step } = state;
  return {
    async step(batch) {
      if (batch !== step) throw new Error(`step ${step} was fed with the batch of ${batch}`);
      step += 1;
      for (const [name, { data }] of tensors) {
        const moment = moments.get(name);
        for (let i = 0; i < data.length; i++) {
          const gradient = Math.sin(step * 31 + i);
          if (moment) {
            moment.first[i] = 0.9 * moment.first[i]! + 0.1 * gradient;
            moment.second[i] = 0.999 * moment.second[i]! + 0.001 * gradient ** 2;
          }
          data[i]! += 0.01 * (moment?.first[i] ?? gradient);
        }
      }
      const parts = { 'decode.loss_ce': loss(step), 'decode.acc_seg': step };
      return { step, lr: 0.01, loss: loss(step), parts };
    },
    state: () => ({ step, tensors, moments }),
    async [Symbol.asyncDispose]() {},
  };
}

/** Batches that are the number of their step. */
export function fakeFeed(first: number, onNext: (step: number) => unknown = () => {}): Feed<number> {
  let step = first;
  return {
    async next() {
      await onNext(step);
      return step++;
    },
    workers: 0,
    async [Symbol.asyncDispose]() {},
  };
}

export interface SegmentOptions {
  run?: TrainRun;
  until?: number;
  /** Called before the batch of a step (from 0) is handed out; throws to end the trainer there. */
  onNext?: (step: number) => unknown;
  loss?: (step: number) => number;
  beat?: Partial<SegmentBeat>;
  context?: Partial<SegmentContext<number>>;
}

/** Trains a segment with the fakes. */
export function segment(store: Store, options: SegmentOptions = {}) {
  const { run = trainRun(), until = run.config.train.steps, onNext, loss, beat, context } = options;
  const task: SegmentTask = { run, until, attempt: 1 };
  return trainSegment<number>(
    {
      store,
      worker: 'w0',
      scratchFolder: temporaryFolder(),
      patienceMs: 5_000,
      initialState: async ({ config }) => initialHead(config, config.train.seed),
      openTrainer: async (_, state) => fakeTrainer(state, loss),
      openFeed: async (_, { first }) => fakeFeed(first, onNext),
      ...context,
    },
    task,
    {
      signal: new AbortController().signal,
      stopReason: () => null,
      heartbeat() {},
      onReady() {},
      onLog() {},
      async onSaved() {},
      ...beat,
    },
  );
}

/** Names of a state's tensors, moments included, as its two files have them. */
export function tensorNames({ config }: TrainRun): { head: string[]; optimizer: string[] } {
  const specs = headSpecs(config.model);
  return {
    head: specs.map(({ name }) => name),
    optimizer: specs.filter(isParameter).flatMap(({ name }) => [`${name}.exp_avg`, `${name}.exp_avg_sq`]),
  };
}
