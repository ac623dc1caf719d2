import type { TrainConfig } from '../config/train.ts';

/** The step at which the segment that starts after `step` steps ends: the next evaluation, or the training's end. */
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

/** Upper limit of log lines that are reported to a run, so that its history does not get too long. */
const MAX_REPORTED = 1_000;

/** Which log lines are reported to a run: all, or every second, third … if there are too many. */
export function logSampling(train: TrainConfig): (iter: number) => boolean {
  const every = reportedEvery(train);
  return (iter) => (iter / train.logEvery) % every === 0;
}

/** One log line out of this many is reported. */
function reportedEvery({ steps, logEvery }: TrainConfig): number {
  return Math.max(1, Math.ceil(Math.floor(steps / logEvery) / MAX_REPORTED));
}

/** Upper limit of planned history events. Temporal ends a run at 51,200; the rest is reserved for lost workers. */
export const MAX_HISTORY_EVENTS = 45_000;

/** Events of one workflow task. */
const WAKE = 3;
const ACTIVITY = 3 + WAKE;
const SIGNAL = 1 + WAKE;
/** Events of a child workflow: started, signalled with its workers, and completed. */
const CHILD = 2 + WAKE + 2 + WAKE + 1 + WAKE;

/** Upper limit of a training's history events if no worker is lost. */
export function historyEvents(train: TrainConfig, workers: number): number {
  const { steps, evaluateEvery, checkpointEvery, logEvery } = train;
  const segments = Math.ceil(steps / evaluateEvery);
  const checkpoints = Math.floor(steps / checkpointEvery) + segments;
  const lines = Math.floor(steps / (logEvery * reportedEvery(train)));
  // A segment, the signal that its trainer is ready, its evaluation and the recording of the evaluation.
  const segment = ACTIVITY + SIGNAL + CHILD + ACTIVITY;
  // Each other worker sends features until it is stopped.
  const features = (workers - 1) * (ACTIVITY + 1);
  // Plan, launch, publishing, and the end.
  const rest = 8 * ACTIVITY;
  return rest + segments * (segment + features) + (checkpoints + lines) * SIGNAL;
}
