import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { TrainResults } from '../core/config/train-results.ts';
import type { TrainInput, TrainProgress, TrainResult } from '../core/config/train-run.ts';
import { runWatched } from './run-workflow.ts';
import type { Session } from './session.ts';
import { progressBar, type Terminal } from './terminal.ts';

const LOOK_EVERY_MS = 300;

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
      return checkpoint
        ? `the last checkpoint is that of step ${checkpoint.step} (${checkpoint.uri}); ` +
            `the same command with --workflow-id ${workflowId} goes on from there`
        : 'no checkpoint was written';
    },
  });
}

async function showTraining(handle: WorkflowHandle, signal: AbortSignal, terminal: Terminal): Promise<void> {
  const bar = progressBar('{value}/{total} steps · {figures} · {speed} · ETA {eta_text} · mIoU {mIoU}');
  let isShown = false;
  while (!signal.aborted) {
    const progress = await handle.query<TrainProgress>('progress').catch(() => null);
    if (progress && progress.steps > 0 && progress.log && !signal.aborted) {
      const payload = barPayload(progress);
      if (isShown) bar.update(progress.step, payload);
      else bar.start(progress.steps, progress.step, payload);
      isShown = true;
    } else if (progress && !signal.aborted) terminal.step(`${progress.phase} …`);
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
  }
  if (isShown) bar.stop();
}

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
export function trainingText({ evaluations, best, steps, timeBudget }: TrainResults): string {
  const lines = evaluations.map(
    ({ step, mIoU, aAcc }) =>
      `  step ${String(step).padStart(6)}  mIoU ${percent(mIoU)}  aAcc ${percent(aAcc)}${step === best.step ? '  ← best' : ''}`,
  );
  const { train, evaluate } = timeBudget;
  return [`${steps} steps in ${train.toFixed(1)} s, evaluations in ${evaluate.toFixed(1)} s`, ...lines].join(
    '\n',
  );
}

function percent(share: number | null): string {
  return share === null ? '–' : (100 * share).toFixed(2);
}
