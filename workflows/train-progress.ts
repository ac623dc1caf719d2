import { setCurrentDetails } from '@temporalio/workflow';
import { causeText } from '../core/config/fleet.ts';
import type { SavedCheckpoint, TrainProgress, TrainRun } from '../core/config/train-run.ts';
import { bestOf, type Evaluation } from '../core/train/train-log.ts';
import type { Classified } from './failure.ts';
import type { FleetView } from './fleet-view.ts';
import { answerProgress } from './messages.ts';
import { countFailure } from './metrics.ts';
import type { TrainingView } from './training-view.ts';

/** Failures that are kept, the latest ones: a long run on pre-emptible machines has many. */
const MAX_FAILURES = 200;

export interface TrainTracker {
  enter(phase: TrainProgress['phase']): void;
  plan(run: TrainRun, evaluations: Evaluation[]): void;
  evaluated(evaluation: Evaluation): void;
  failed(failure: Classified): void;
  evaluations(): Evaluation[];
  failures(): Classified[];
}

/** Keeps what `progress` answers of a training, and answers it. */
export function trackTraining(fleet: FleetView, view: TrainingView): TrainTracker {
  let run: TrainRun | null = null;
  let phase: TrainProgress['phase'] = 'planning';
  let evaluations: Evaluation[] = [];
  const failures: Classified[] = [];

  /** What Temporal's UI shows of a run under way. */
  const tellDetails = () => {
    const last = evaluations.at(-1);
    const counted = run ? `: step ${view.checkpoint()?.step ?? 0} of ${run.config.train.steps} is saved` : '';
    const measured = last?.mIoU ? `; mIoU ${(100 * last.mIoU).toFixed(2)} at step ${last.step}` : '';
    const failure = failures.at(-1);
    const mended = failure
      ? `\n\nThe last of ${failures.length} failures: ${failure.class}: ${failure.message}`
      : '';
    const trained = run?.trained ? ` (${run.trained})` : '';
    setCurrentDetails(`**${phase}**${trained}${counted}${measured}${mended}`);
  };
  tellDetails();

  answerProgress('Train', () => {
    const { steps = 0, batch = 0 } = run?.config.train ?? {};
    const log = view.log();
    const checkpoint = view.checkpoint();
    const step = Math.max(log?.iter ?? 0, checkpoint?.step ?? 0);
    const samplesPerSecond = log ? batch / log.time : null;
    const { workers, trouble } = fleet.state();
    // Nobody has to tell that the launch is over: it is when a worker is at work.
    const isLaunching = phase === 'training' && !workers.some(({ state }) => state === 'running');
    return {
      phase: isLaunching ? 'launching' : phase,
      step,
      steps,
      log,
      samplesPerSecond,
      etaSeconds: samplesPerSecond === null ? null : ((steps - step) * batch) / samplesPerSecond,
      last: evaluations.at(-1) ?? null,
      best: bestOf(evaluations),
      checkpoint,
      trouble,
      failures,
      workers: Object.fromEntries(
        workers.map(({ name, state, cause, node }) => [
          name,
          {
            state: cause ? `${state}: ${causeText(cause)}` : state,
            ...(node ? { node } : {}),
            ...(view.trainer()?.worker === name && state !== 'gone' ? { role: 'trainer' as const } : {}),
          },
        ]),
      ),
    };
  });

  return {
    enter(next) {
      phase = next;
      tellDetails();
    },
    plan(planned, earlier) {
      run = planned;
      evaluations = [...earlier];
    },
    evaluated(evaluation) {
      evaluations = [...evaluations, evaluation];
      tellDetails();
    },
    failed(failure) {
      countFailure(failure.class);
      failures.push(failure);
      if (failures.length > MAX_FAILURES) failures.shift();
      tellDetails();
    },
    evaluations: () => evaluations,
    failures: () => failures,
  };
}

/** What a failure's message adds for resuming: where the last checkpoint is. */
export function checkpointText(checkpoint: SavedCheckpoint | null): string {
  return checkpoint
    ? ` (the last good checkpoint is that of step ${checkpoint.step}: ${checkpoint.uri})`
    : ' (no checkpoint was written)';
}
