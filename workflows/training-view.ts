import { defineSignal, setHandler } from '@temporalio/workflow';
import type { SavedCheckpoint, TrainerReady } from '../core/config/train-run.ts';
import type { TrainRecord } from '../core/train/train-log.ts';

/** By these signals a run hears how its training gets on. */
const trainerReady = defineSignal<[TrainerReady]>('trainerReady');
const trainingLog = defineSignal<[TrainRecord]>('trainingLog');
const checkpointSaved = defineSignal<[SavedCheckpoint]>('checkpointSaved');

/** What a run knows of its training: as told. */
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
  setHandler(trainerReady, (ready) => {
    if (!trainer || ready.attempt >= trainer.attempt) trainer = ready;
  });
  setHandler(trainingLog, (record) => {
    log = record;
  });
  setHandler(checkpointSaved, knowCheckpoint);
  return { trainer: () => trainer, log: () => log, checkpoint: () => checkpoint, knowCheckpoint };
}
