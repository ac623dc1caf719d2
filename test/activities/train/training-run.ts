import {
  type Feed,
  type SegmentBeat,
  type SegmentContext,
  type Trainer,
  trainSegment,
} from '../../../activities/train/train-segment.ts';
import type { StateSource, StateTensor } from '../../../core/config/train.ts';
import type { SegmentTask, TrainRun, TrainStart } from '../../../core/config/train-run.ts';
import type { Store } from '../../../core/store.ts';
import { initialHead } from '../../../core/train/initial-head.ts';
import { optimizerSpecs, stateSpecs } from '../../../core/train/state-specs.ts';
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

/** A state at step 0: the heads by the seed, of the rest small numbers. */
export function initialSource({ config }: TrainRun): StateSource {
  return {
    step: 0,
    async *tensors() {
      const heads = initialHead(config, config.train.seed);
      for (const { name, shape } of stateSpecs(config)) {
        const length = shape.reduce((product, dim) => product * dim, 1);
        yield { name, data: heads.get(name) ?? Float32Array.from({ length }, (_, i) => Math.cos(i)) };
      }
    },
  };
}

/** Something that learns: a step changes each tensor by its number alone, as the real trainer does by its batch. */
export async function fakeTrainer(
  { config }: TrainRun,
  source: StateSource,
  loss: (step: number) => number = (step) => 5 / step,
): Promise<Trainer<number>> {
  const specs = stateSpecs(config);
  const trained = new Set(specs.flatMap(({ name, isTrained }) => (isTrained ? [name] : [])));
  const tensors = new Map<string, Required<StateTensor>>();
  for await (const { name, data, first, second } of source.tensors()) {
    const zeros = () => new Float32Array(data.length);
    tensors.set(name, {
      name,
      data: data.slice(),
      first: first?.slice() ?? zeros(),
      second: second?.slice() ?? zeros(),
    });
  }
  let { step } = source;
  return {
    async step(batch) {
      if (batch !== step) throw new Error(`step ${step} was fed with the batch of ${batch}`);
      step += 1;
      for (const { name, data, first, second } of tensors.values())
        for (let i = 0; i < data.length; i++) {
          const gradient = Math.sin(step * 31 + i);
          first[i] = 0.9 * first[i]! + 0.1 * gradient;
          second[i] = 0.999 * second[i]! + 0.001 * gradient ** 2;
          data[i]! += 0.01 * (trained.has(name) ? first[i]! : gradient);
        }
      const parts = { 'decode.loss_ce': loss(step), 'decode.acc_seg': step };
      return { step, lr: 0.01, loss: loss(step), parts };
    },
    state: () => ({
      step,
      specs,
      read: async (name, part) => tensors.get(name)![part === 'value' ? 'data' : part].slice(),
    }),
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
      initialState: async (started) => initialSource(started),
      openTrainer: (started, state) => fakeTrainer(started, state, loss),
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
  const names = (specs: { name: string }[]) => specs.map(({ name }) => name);
  return { head: names(stateSpecs(config)), optimizer: names(optimizerSpecs(config)) };
}
