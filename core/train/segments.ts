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
export function logSampling({ steps, logEvery }: TrainConfig): (iter: number) => boolean {
  const every = Math.ceil(Math.floor(steps / logEvery) / MAX_TOLD);
  return (iter) => (iter / logEvery) % Math.max(1, every) === 0;
}
