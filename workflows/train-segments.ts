import { CancellationScope, condition, isCancellation, sleep } from '@temporalio/workflow';
import { nextTry, TypedFailure } from '../core/config/failures.ts';
import type { SegmentResult, SegmentTask, TrainerReady, TrainRun } from '../core/config/train-run.ts';
import { trainActivities } from './activities.ts';
import { backoff } from './backoff.ts';
import { withCause } from './cause.ts';
import type { Classified } from './failure.ts';
import type { FleetView } from './fleet-view.ts';
import type { TrainingView } from './training-view.ts';

/** Attempts that come no further than the one before, as counted by checkpoints; more would not either. */
const MAX_ATTEMPTS_IN_PLACE = 6;
/** So often a worker tries to reach a trainer; a network that lets no feature through would fill the history else. */
const MAX_TRIES_TO_REACH = 5;

/** What the segments of a run share. */
export interface Training {
  run: TrainRun;
  fleet: FleetView;
  view: TrainingView;
  /** Of the whole run so far. */
  attempts: number;
  /** Whether workers reach trainers, as far as it is known. */
  isReached: boolean;
  onFailure(failure: Classified): void;
}

/**
 * Trains until so many steps are done. A lost trainer costs the steps since its last checkpoint, and as long as each
 * one gets further, any number may be lost.
 */
export async function trainUntil(training: Training, until: number): Promise<SegmentResult> {
  const { fleet, view, run } = training;
  let furthest = view.checkpoint()?.step ?? 0;
  let inPlace: Classified[] = [];
  for (;;) {
    training.attempts++;
    try {
      const result = await trainSegment(training, { run, until, attempt: training.attempts });
      view.knowCheckpoint(result.checkpoint);
      return result;
    } catch (error) {
      if (isCancellation(error)) throw error;
      const failure = await withCause(error, fleet);
      training.onFailure(failure);
      const reached = view.checkpoint()?.step ?? 0;
      if (reached > furthest) inPlace = [];
      furthest = Math.max(furthest, reached);
      inPlace.push(failure);
      if (!nextTry(inPlace) || inPlace.length >= MAX_ATTEMPTS_IN_PLACE)
        throw new TypedFailure(failure.class, failure.message + advice(failure), { cause: error });
      await sleep(backoff(inPlace.length));
    }
  }
}

/** One attempt: a worker trains; the others send it features while it is ready for them. */
async function trainSegment(training: Training, task: SegmentTask): Promise<SegmentResult> {
  const { run } = training;
  const gpu = trainActivities(run.fleet);
  const serving = new CancellationScope();
  const served = serving.run(() => serveFeatures(training, task));
  served.catch(() => {});
  try {
    return await gpu.trainSegment(task);
  } finally {
    serving.cancel();
  }
}

/**
 * All workers except the trainer send features until this is cancelled. If they cannot reach the trainer, the trainer
 * continues alone, and each of them tries once in the next segment.
 */
async function serveFeatures(training: Training, { attempt, run }: SegmentTask): Promise<void> {
  const { view } = training;
  await condition(() => view.trainer()?.attempt === attempt);
  const trainer = view.trainer()!;
  const gpu = trainActivities(run.fleet);
  const { config, weights, dataset } = run;
  const tries = training.isReached ? MAX_TRIES_TO_REACH : 1;
  const lane = async () => {
    const failures: Classified[] = [];
    for (let missed = 0; missed < tries; ) {
      try {
        const end = await gpu.serveFeatures({ run: { config, weights, dataset }, trainer });
        if (end === 'finished') {
          training.isReached = true;
          return;
        }
        // The trainer cannot be reached or is lost; the segment reports a lost trainer.
        if (++missed < tries) await sleep(backoff(missed));
      } catch (error) {
        if (isCancellation(error)) throw error;
        const failure = await withCause(error, training.fleet);
        failures.push(failure);
        training.onFailure(failure);
        if (!nextTry(failures)) return;
        missed = 0;
        await sleep(backoff(failures.length));
      }
    }
    if (training.isReached) training.onFailure(outOfReach(trainer));
    training.isReached = false;
  };
  await Promise.all(Array.from({ length: run.fleet.workers - 1 }, lane));
}

function outOfReach({ worker, address }: TrainerReady): Classified {
  return {
    class: 'Unavailable',
    message:
      `${worker} was not reached at ${address} by a worker that sends features: ` +
      'check that the network lets workers connect to each other at that address',
  };
}

function advice({ class: failureClass }: Classified): string {
  return failureClass === 'OutOfMemory' ? '. Give the workers more memory, or set run.batch lower' : '';
}
