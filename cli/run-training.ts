import type { TrainResults } from '../core/config/train-results.ts';
import type { SavedCheckpoint, TrainInput, TrainProgress, TrainResult } from '../core/config/train-run.ts';
import { followBar, runWatched } from './run-workflow.ts';
import type { Session } from './session.ts';
import type { Terminal } from './terminal.ts';

/** Starts `TrainHead` (or finds it running under this id), shows how it gets on, and gives its result. */
export function runTraining(
  session: Session,
  workflowId: string,
  input: TrainInput,
  terminal: Terminal,
): Promise<TrainResult> {
  return runWatched(session, { type: 'TrainHead', workflowId, input }, terminal, {
    show: showTraining,
    cancelling: 'the trainer saves where it is, then workers end',
    async cancelled(handle) {
      const { checkpoint } = await handle.query<TrainProgress>('progress');
      return checkpoint ? goingOn(workflowId, input, checkpoint) : 'no checkpoint was written';
    },
  });
}

/** What goes on from a cancelled training's last checkpoint. */
export function goingOn(
  workflowId: string,
  { recompute, loadFrom }: Pick<TrainInput, 'recompute' | 'loadFrom'>,
  { step, uri }: Pick<SavedCheckpoint, 'step' | 'uri'>,
): string {
  // Each run that recomputes has a folder of its own: there is nothing in it when it starts.
  const changed = recompute
    ? `--resume-from ${uri}${loadFrom ? ' instead of --load-from' : ''}`
    : `--workflow-id ${workflowId}`;
  return `the last checkpoint is that of step ${step} (${uri}); the same command with ${changed} goes on from there`;
}

const showTraining = followBar(
  '{value}/{total} steps · {figures} · {speed} · ETA {eta_text} · mIoU {mIoU}',
  (progress: TrainProgress) =>
    progress.steps > 0 && progress.log
      ? { done: progress.step, total: progress.steps, payload: barPayload(progress) }
      : null,
);

function barPayload({ phase, log, samplesPerSecond, etaSeconds, last, best, workers }: TrainProgress) {
  const living = Object.values(workers).filter(({ state }) => state === 'running').length;
  const accuracy = log?.['decode.acc_seg'];
  const isTraining = phase === 'training';
  return {
    figures: log
      ? `loss ${log.loss.toFixed(4)}, acc ${typeof accuracy === 'number' ? accuracy.toFixed(1) : '–'} %, lr ${log.lr.toExponential(2)}`
      : '–',
    speed: isTraining ? `${samplesPerSecond?.toFixed(1) ?? '–'} crops/s, ${living} workers` : `${phase} …`,
    eta_text: etaSeconds === null ? '–' : `${Math.ceil(etaSeconds)} s`,
    mIoU: last ? `${percent(last.mIoU)} (best ${percent(best?.mIoU ?? null)} at ${best?.step})` : '–',
  };
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
