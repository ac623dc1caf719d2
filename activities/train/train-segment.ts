import { setTimeout as sleep } from 'node:timers/promises';
import { BadData, TypedFailure } from '../../core/config/failures.ts';
import type { StateSource, StepLog, TrainingState } from '../../core/config/train.ts';
import type { SegmentResult, SegmentTask, TrainHeartbeat, TrainRun } from '../../core/config/train-run.ts';
import type { Store } from '../../core/store.ts';
import {
  type Checkpoint,
  checkpointFolder,
  listCheckpoints,
  readCheckpoint,
  savedCheckpoint,
} from '../../core/train/checkpoint-pointers.ts';
import { recipeOf } from '../../core/train/recipe.ts';
import { isCheckpoint } from '../../core/train/segments.ts';
import { stateSpecs } from '../../core/train/state-specs.ts';
import type { TrainRecord } from '../../core/train/train-log.ts';
import { trainsBackbone } from '../../core/train/trainable.ts';
import type { WrittenFile } from './checkpoint-files.ts';
import { CheckpointSaver } from './checkpoint-saver.ts';
import { checkpointState, withHead } from './read-state.ts';
import { openTrainingLog, type TrainingLog } from './training-log.ts';

/** Time limit for writing the last checkpoint when a run is cancelled or a service is lost. */
const LAST_CHECKPOINT_MS = 10_000;

/** Batches of features, in the order of the steps. */
export interface Feed<Batch> extends AsyncDisposable {
  next(): Promise<Batch>;
  /** Number of other workers that send features now. */
  readonly workers: number;
}

/** Runs training steps in order. */
export interface Trainer<Batch> extends AsyncDisposable {
  step(batch: Batch): Promise<StepLog>;
  /** To be read before the next step. */
  state(): TrainingState;
}

/** Dependencies of a segment. */
export interface SegmentContext<Batch> {
  store: Store;
  worker: string;
  scratchFolder: string;
  /** The state before the first step. */
  initialState(run: TrainRun, signal: AbortSignal): Promise<StateSource>;
  openTrainer(run: TrainRun, state: StateSource, signal: AbortSignal): Promise<Trainer<Batch>>;
  /** @param steps `[first, end)` */
  openFeed(run: TrainRun, steps: { first: number; end: number }, hooks: FeedHooks): Promise<Feed<Batch>>;
  /** Time limit for an unreachable store. */
  patienceMs?: number;
  /** Keeps the model of a complete checkpoint on this node, for its evaluation. */
  keepModel?(model: WrittenFile): Promise<void>;
}

export interface FeedHooks {
  signal: AbortSignal;
  /** Called with the address to send features to, if other workers take part. */
  onReady(address: string, token: string): void;
}

/** How a segment reports progress, and learns that it must stop. */
export interface SegmentBeat {
  signal: AbortSignal;
  stopReason(): string | null;
  heartbeat(details: TrainHeartbeat): void;
  onReady(address: string, token: string): void;
  onLog(record: TrainRecord): void;
  onSaved(checkpoint: Checkpoint): Promise<void>;
}

/**
 * Trains from the newest checkpoint, or from the start, to the segment's end, and writes a checkpoint there. A repeated
 * attempt computes the same steps, bit for bit.
 *
 * @throws BadData if the loss is not finite, or for a damaged image or checkpoint; Unavailable. Existing checkpoints are
 *   not changed by a failure
 */
export async function trainSegment<Batch>(
  context: SegmentContext<Batch>,
  task: SegmentTask,
  beat: SegmentBeat,
): Promise<SegmentResult> {
  const { store, worker } = context;
  const { run, until } = task;
  const steps = run.config.train.steps;
  // The first heartbeat names the worker, in case it is lost before the first step.
  const idle = { loss: null, lr: null, accuracy: null, samplesPerSecond: null, etaSeconds: null };
  beat.heartbeat({ worker, step: 0, steps, ...idle });

  const earlier = await listCheckpoints(store, checkpointFolder(run.prefix));
  const newest = earlier.findLast(({ step }) => step <= until) ?? null;
  if (newest?.step === until)
    return { checkpoint: savedCheckpoint(newest), worker, steps: 0, seconds: 0, dataSeconds: 0 };

  const { state, from } = await firstState(context, run, newest, beat.signal);
  const first = state.step;
  const log = await openTrainingLog(store, run, from);
  await using checkpoints = new CheckpointSaver({
    store,
    prefix: run.prefix,
    scratchFolder: context.scratchFolder,
    onSaved: beat.onSaved,
    ...(context.patienceMs === undefined ? {} : { patienceMs: context.patienceMs }),
    // A head is small, and its backbone is in the cache already.
    ...(context.keepModel && trainsBackbone(run.config) ? { keepModel: context.keepModel } : {}),
  });
  const { signal, onReady } = beat;
  await checkpoints.ensureRoom(stateSpecs(run.config));
  await using trainer = await context.openTrainer(run, state, signal);
  await using feed = await context.openFeed(run, { first, end: until }, { signal, onReady });

  const segment: Segment<Batch> = { context, task, beat, log, checkpoints, trainer, feed, dataSeconds: 0 };
  const began = performance.now();
  try {
    await takeSteps(segment, first);
    await checkpoints.settle();
  } catch (error) {
    // The checkpoint that is being uploaded is valid: the failure came after it.
    if (!beat.signal.aborted) await (isUnavailable(error) ? soon : ended)(checkpoints.settle());
    else if (beat.stopReason() === 'run-cancelled') await soon(saveLast(segment));
    throw error;
  }
  const seconds = (performance.now() - began) / 1000;
  const checkpoint = savedCheckpoint(checkpoints.saved!);
  return { checkpoint, worker, steps: until - first, seconds, dataSeconds: segment.dataSeconds };
}

interface Segment<Batch> {
  context: SegmentContext<Batch>;
  task: SegmentTask;
  beat: SegmentBeat;
  log: TrainingLog;
  checkpoints: CheckpointSaver;
  trainer: Trainer<Batch>;
  feed: Feed<Batch>;
  dataSeconds: number;
}

/** The segment's first state, and the checkpoint that it resumes from, if any. */
async function firstState<Batch>(
  { store, initialState }: SegmentContext<Batch>,
  run: TrainRun,
  newest: Checkpoint | null,
  signal: AbortSignal,
): Promise<{ state: StateSource; from: Checkpoint | null }> {
  const { start, config } = run;
  const from = newest ?? (start.from === 'checkpoint' ? await readCheckpoint(store, start.uri) : null);
  if (from) return { state: await checkpointState(store, from, config), from };
  const state = await initialState(run, signal);
  return { state: start.from === 'head' ? await withHead(store, state, start.head, config) : state, from };
}

async function takeSteps<Batch>(segment: Segment<Batch>, first: number): Promise<void> {
  const { task, beat, log, trainer, feed } = segment;
  const { until, run } = task;
  for (let step = first + 1; step <= until; step++) {
    beat.signal.throwIfAborted();
    const began = performance.now();
    const batch = await feed.next();
    const received = performance.now();
    const figures = await trainer.step(batch);
    if (!Number.isFinite(figures.loss))
      throw new BadData(
        `step ${step}: the loss is ${figures.loss} at a learning rate of ${figures.lr}: the training has diverged, ` +
          'and nothing is saved of it; try a lower train.optimizer.lr, or a longer warm-up',
      );
    const dataSeconds = (received - began) / 1000;
    segment.dataSeconds += dataSeconds;
    const seconds = { time: (performance.now() - began) / 1000, data_time: dataSeconds };
    const record = log.add(figures, seconds, feed.workers);
    if (record) beat.onLog(record);
    beat.heartbeat(heartbeatOf(segment, figures));
    if (isCheckpoint(step, until, run.config.train)) await save(segment);
  }
}

function heartbeatOf<Batch>({ context, task, log }: Segment<Batch>, figures: StepLog): TrainHeartbeat {
  const { batch, steps } = task.run.config.train;
  const secondsPerStep = log.secondsPerStep();
  return {
    worker: context.worker,
    step: figures.step,
    steps,
    loss: figures.loss,
    lr: figures.lr,
    accuracy: figures.parts['decode.acc_seg'] ?? null,
    samplesPerSecond: batch / secondsPerStep,
    etaSeconds: (steps - figures.step) * secondsPerStep,
  };
}

async function save<Batch>({ context, task, trainer, checkpoints, log }: Segment<Batch>): Promise<void> {
  const { run } = task;
  const { workflowId, runId, config, classes, codeVersion } = run;
  const state = trainer.state();
  const { seed } = config.train;
  const meta = {
    iter: state.step,
    epoch: log.epoch() - 1,
    seed,
    config: config.name,
    tessera_version: codeVersion,
    CLASSES: classes.classes.map(({ name }) => name),
    PALETTE: classes.classes.map(({ color }) => color),
  };
  const writer = { workflowId, runId, worker: context.worker };
  const notes = { seed, logWindow: log.window(), recipe: recipeOf(run), start: run.start, writer };
  await checkpoints.save(state, meta, notes, log.files());
}

/** Saves the state of a cancelled run, unless the last checkpoint already has it. */
async function saveLast<Batch>(segment: Segment<Batch>): Promise<void> {
  const { trainer, checkpoints, log } = segment;
  await checkpoints.settle();
  const { step } = trainer.state();
  // An interrupted step has changed the state, but is not in the log.
  if (step !== log.step() || step === (checkpoints.saved?.step ?? log.firstStep())) return;
  await save(segment);
  await checkpoints.settle();
}

async function ended(work: Promise<void>): Promise<void> {
  await work.catch(() => {});
}

/** Waits for work up to the time limit. */
async function soon(work: Promise<void>): Promise<void> {
  const timer = new AbortController();
  const late = sleep(LAST_CHECKPOINT_MS, undefined, { signal: timer.signal }).catch(() => {});
  await Promise.race([ended(work), late]);
  timer.abort();
}

function isUnavailable(error: unknown): boolean {
  return error instanceof TypedFailure && error.failureClass === 'Unavailable';
}
