import type { TrainConfig } from '../config/train.ts';

/** The step at which a training that has done `step` steps stops next: to be evaluated, or since it is done. */
export function nextStop(step: number, { steps, evaluateEvery }: TrainConfig): number {
  return Math.min(steps, (Math.floor(step / evaluateEvery) + 1) * evaluateEvery);
}

/** Whether a training is evaluated after `step` steps. */
export function isStop(step: number, { steps, evaluateEvery }: TrainConfig): boolean {
  return step > 0 && (step === steps || step % evaluateEvery === 0);
}

/** Whether the trainer writes a checkpoint after `step` steps of a segment that ends at `until`. */
export function isCheckpoint(step: number, until: number, { checkpointEvery }: TrainConfig): boolean {
  return step === until || step % checkpointEvery === 0;
}

/** mmcv's epoch of the step that follows `step` steps, from 1 on. */
export function epochAt(step: number, batch: number, images: number): number {
  return Math.floor((step * batch) / images) + 1;
}

/** Lines of the log that a run is told of: its history has room for so many. */
const MAX_TOLD = 1_000;

/** Which of a training's log lines a run is told of: all, or every second, third … where there are too many. */
export function logSampling(train: TrainConfig): (iter: number) => boolean {
  const every = toldEvery(train);
  return (iter) => (iter / train.logEvery) % every === 0;
}

/** Of so many log lines one is told. */
function toldEvery({ steps, logEvery }: TrainConfig): number {
  return Math.max(1, Math.ceil(Math.floor(steps / logEvery) / MAX_TOLD));
}

/** Temporal ends a run at 51,200 events; some are left for what a training loses on its way. */
export const MAX_HISTORY_EVENTS = 45_000;

/** Events of a workflow that wakes up, acts and sleeps. */
const WAKE = 3;
const ACTIVITY = 3 + WAKE;
const SIGNAL = 1 + WAKE;
/** Started, told of its workers, and done. */
const CHILD = 2 + WAKE + 2 + WAKE + 1 + WAKE;

/** Events that a training puts into its history at the most, if nothing is lost. */
export function historyEvents(train: TrainConfig, workers: number): number {
  const { steps, evaluateEvery, checkpointEvery, logEvery } = train;
  const segments = Math.ceil(steps / evaluateEvery);
  const checkpoints = Math.floor(steps / checkpointEvery) + segments;
  const lines = Math.floor(steps / (logEvery * toldEvery(train)));
  // A segment, the signal that its trainer is ready, its evaluation and the record of that.
  const segment = ACTIVITY + SIGNAL + CHILD + ACTIVITY;
  // Each other worker brings features until it is told to stop.
  const features = (workers - 1) * (ACTIVITY + 1);
  // Plan, launch, publishing, and the end.
  const rest = 8 * ACTIVITY;
  return rest + segments * (segment + features) + (checkpoints + lines) * SIGNAL;
}
