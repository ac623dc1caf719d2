import type { SavedCheckpoint, TrainerReady } from '../core/config/train-run.ts';
import type { TrainRecord } from '../core/train/train-log.ts';
import { onSignal } from './messages.ts';

/** A training's state, as its signals reported it. */
export interface TrainingView {
  /** The latest trainer that features may be brought to. */
  trainer(): TrainerReady | null;
  log(): TrainRecord | null;
  checkpoint(): SavedCheckpoint | null;
  /** For what is known otherwise: from the plan, or by a segment's result. */
  knowCheckpoint(checkpoint: SavedCheckpoint): void;
}

export function watchTraining(): TrainingView {
  let trainer: TrainerReady | null = null;
  let log: TrainRecord | null = null;
  let checkpoint: SavedCheckpoint | null = null;
  // A lost trainer may still be telling: what is behind is no news.
  const knowCheckpoint = (saved: SavedCheckpoint) => {
    if (!checkpoint || saved.step >= checkpoint.step) checkpoint = saved;
  };
  onSignal('trainerReady', (ready) => {
    if (!trainer || ready.attempt >= trainer.attempt) trainer = ready;
  });
  onSignal('trainingLog', (record) => {
    log = record;
  });
  onSignal('checkpointSaved', knowCheckpoint);
  return { trainer: () => trainer, log: () => log, checkpoint: () => checkpoint, knowCheckpoint };
}
