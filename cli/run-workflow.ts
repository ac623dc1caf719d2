import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApplicationFailure,
  CancelledFailure,
  TerminatedFailure,
  WorkflowFailedError,
  type WorkflowHandle,
} from '@temporalio/client';
import type { EvalInput, EvalResult, Progress } from '../core/config/eval.ts';
import { FAILURE_CLASSES, TypedFailure } from '../core/config/failures.ts';
import { perClassTable } from '../core/metric/per-class-table.ts';
import { readResults } from '../core/read-results.ts';
import { comeBack, resultOf } from './await-workflow.ts';
import { Cancelled } from './outcomes.ts';
import { interrupted, type Session } from './session.ts';
import { type Start, startOrFind } from './start-workflow.ts';
import { progressBar, SILENT, type Terminal } from './terminal.ts';

const LOOK_EVERY_MS = 300;

/** Starts `EvalMIoU` (or finds it running under this id), shows how it gets on, and gives its result. */
export function runEval(
  session: Session,
  workflowId: string,
  input: EvalInput,
  terminal: Terminal,
): Promise<EvalResult> {
  return runWatched(session, { type: 'EvalMIoU', workflowId, input }, terminal, {
    show: showProgress,
    cancelling: 'workers end, nothing is published',
    cancelled: async () => 'nothing was published',
  });
}

/** How a run is followed on a terminal. */
export interface Watching {
  /** Shows its progress until told to stop. */
  show(handle: WorkflowHandle, signal: AbortSignal, terminal: Terminal): Promise<void>;
  /** What becomes of it when it is cancelled: said when that begins, and when it is done. */
  cancelling: string;
  cancelled(handle: WorkflowHandle): Promise<string>;
}

/** Starts a workflow, or finds it running under this id, shows how it gets on, and gives its result. */
export async function runWatched<T>(
  session: Session,
  start: Start,
  terminal: Terminal,
  watching: Watching,
): Promise<T> {
  const { type, workflowId } = start;
  const handle = await startOrFind(session.client, start, terminal);
  const link = session.temporalUiUrl
    ? ` · ${session.temporalUiUrl}/namespaces/default/workflows/${workflowId}`
    : '';
  terminal.print(`▸ ${type} ${workflowId}${link}`);
  const over = new AbortController();
  const cancel = interrupted().then(async () => {
    terminal.print(`▸ cancelling: ${watching.cancelling} (again Ctrl-C to leave it behind)`);
    await handle.cancel();
  });
  cancel.catch(() => terminal.print(`▸ Temporal did not take the cancellation; ${comeBack(handle)}`));
  const showing = terminal === SILENT ? null : watching.show(handle, over.signal, terminal);
  try {
    const result = (await resultOf(session.client, handle, terminal)) as T & { cached?: true };
    if (result.cached) terminal.done(`${workflowId} has finished before: these are the results of that run`);
    return result;
  } catch (error) {
    throw await readable(error, () => watching.cancelled(handle));
  } finally {
    over.abort();
    await showing;
  }
}

/** Runs a workflow that only has an end, such as staging. */
export async function runToEnd<T>(
  session: Session,
  type: string,
  workflowId: string,
  input: unknown,
  terminal: Terminal = SILENT,
): Promise<T> {
  const handle = await startOrFind(session.client, { type, workflowId, input }, terminal);
  try {
    return (await resultOf(session.client, handle, terminal)) as T;
  } catch (error) {
    throw await readable(error);
  }
}

const showProgress = followBar(
  '{value}/{total} images · {speed} · ETA {eta_text} · mIoU {mIoU}',
  (progress: Progress) =>
    progress.imagesTotal > 0
      ? { done: progress.imagesDone, total: progress.imagesTotal, payload: barPayload(progress) }
      : null,
);

/** Shows a run's progress as a bar, and its phase until there is something to count. */
export function followBar<P extends { phase: string }>(
  format: string,
  read: (progress: P) => { done: number; total: number; payload: object } | null,
): Watching['show'] {
  return async (handle, signal, terminal) => {
    const bar = progressBar(format);
    let isShown = false;
    while (!signal.aborted) {
      const progress = await handle.query<P>('progress').catch(() => null);
      const at = progress && !signal.aborted ? read(progress) : null;
      if (at) {
        if (isShown) bar.update(at.done, at.payload);
        else bar.start(at.total, at.done, at.payload);
        isShown = true;
      } else if (progress && !signal.aborted) terminal.step(`${progress.phase} …`);
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    }
    if (isShown) bar.stop();
  };
}

function barPayload({ imagesPerSecond, etaSeconds, partial, workers }: Progress) {
  const living = Object.values(workers).filter(({ state }) => state === 'running').length;
  const number = (value: number | null, digits: number) => (value === null ? '–' : value.toFixed(digits));
  return {
    speed: `${number(imagesPerSecond, 1)} images/s, ${living} workers`,
    eta_text: etaSeconds === null ? '–' : `${Math.ceil(etaSeconds)} s`,
    mIoU:
      partial.mIoU === null
        ? '–'
        : `${(partial.mIoU * 100).toFixed(2)} (${Math.round(partial.coverage * 100)} % of images)`,
  };
}

/** The published results as mmseg prints them; classes that occur nowhere are left out and counted. */
export async function resultsText(session: Session, resultsUri: string): Promise<string> {
  const results = await readResults(session.store, resultsUri);
  const { artifacts, coverage } = results;
  const written = artifacts.predictions ?? artifacts.show;
  if (coverage.labelledPixels === 0 && written)
    return `${coverage.images} images without a labelled pixel, so there is no mIoU. Their predictions: ${written}`;
  const { partial } = results;
  const perClass = results.perClass.filter(({ IoU, Acc }) => IoU !== null || Acc !== null);
  const absent = results.perClass.length - perClass.length;
  const note =
    absent > 0 ? `\n${absent} classes occur neither in the labels nor in the predictions (nan).` : '';
  if (!partial) return perClassTable({ ...results, perClass }) + note;
  const { images, ofImages, reason, metrics } = partial;
  const warning = `PARTIAL, not the exact mIoU: ${images} of ${ofImages} images; ${reason}`;
  return `${warning}\n\n${perClassTable({ metrics, perClass })}${note}\n${warning}`;
}

/** What a user is told of a workflow's failure: its cause's own words. */
export async function readable(
  error: unknown,
  cancelled = async () => 'nothing was published',
): Promise<unknown> {
  if (!(error instanceof WorkflowFailedError)) return error;
  const { cause } = error;
  if (cause instanceof CancelledFailure) return new Cancelled(`cancelled: ${await cancelled()}`);
  if (cause instanceof TerminatedFailure) return new Cancelled('terminated: nothing was published');
  if (cause instanceof ApplicationFailure) {
    const failureClass = FAILURE_CLASSES.find((name) => name === cause.type) ?? 'Unexpected';
    return new TypedFailure(failureClass, cause.message);
  }
  return error;
}
