import type { TrainResults } from '../core/config/train-results.ts';
import type { SavedCheckpoint, TrainInput, TrainProgress, TrainResult } from '../core/config/train-run.ts';
import { runWatched } from './run-workflow.ts';
import type { Session } from './session.ts';
import type { Terminal } from './terminal.ts';

/** Starts `Train` (or finds it running under this id), shows how it gets on, and gives its result. */
export function runTraining(
  session: Session,
  workflowId: string,
  input: TrainInput,
  terminal: Terminal,
): Promise<TrainResult> {
  return runWatched(session, { type: 'Train', workflowId, input }, terminal, {
    cancelling: 'the trainer saves where it is, then workers end',
    async cancelled(handle) {
      const { checkpoint } = await handle.query<TrainProgress>('progress');
      return checkpoint ? goingOn(workflowId, input, checkpoint) : 'no checkpoint was written';
    },
  });
}

/** What resumes from a cancelled training's last checkpoint. */
export function goingOn(
  workflowId: string,
  { recompute, loadFrom }: Pick<TrainInput, 'recompute' | 'loadFrom'>,
  { step, uri }: Pick<SavedCheckpoint, 'step' | 'uri'>,
): string {
  // Each run that recomputes has a folder of its own: there is nothing in it when it starts.
  const changed = recompute
    ? `--resume-from ${uri}${loadFrom ? ' instead of --load-from' : ''}`
    : `--workflow-id ${workflowId}`;
  return `the last checkpoint is that of step ${step} (${uri}); the same command with ${changed} resumes from there`;
}

/** A training's evaluations, a line each. */
export function trainingText({ evaluations, best, steps, segments, timeBudget }: TrainResults): string {
  const lines = evaluations.map(
    ({ step, mIoU, aAcc }) =>
      `  step ${String(step).padStart(6)}  mIoU ${percent(mIoU)}  aAcc ${percent(aAcc)}${step === best.step ? '  ← best' : ''}`,
  );
  const { train, evaluate } = timeBudget;
  // One that went on from a checkpoint has not done them all.
  const done = segments.reduce((sum, segment) => sum + segment.steps, 0);
  const count = done === steps ? steps : `${done} of ${steps}`;
  const head = `${count} steps in ${train.toFixed(1)} s, evaluations in ${evaluate.toFixed(1)} s`;
  return [head, ...lines].join('\n');
}

function percent(share: number | null): string {
  return share === null ? '–' : (100 * share).toFixed(2);
}
