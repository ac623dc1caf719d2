import {
  ApplicationFailure,
  CancelledFailure,
  type Client,
  TerminatedFailure,
  WorkflowFailedError,
  type WorkflowHandle,
} from '@temporalio/client';
import type { EvalInput, EvalResult } from '../core/config/eval.ts';
import { FAILURE_CLASSES, TypedFailure } from '../core/config/failures.ts';
import { perClassTable } from '../core/metric/per-class-table.ts';
import { readResults } from '../core/read-results.ts';
import { comeBack, resultOf } from './await-workflow.ts';
import { Cancelled } from './outcomes.ts';
import { showProgress } from './runs/show-progress.ts';
import { runPage } from './runs/temporal.ts';
import { interrupted, type Session } from './session.ts';
import { type Start, startOrFind } from './start-workflow.ts';
import { SILENT, type Terminal } from './terminal.ts';

/** Starts `EvalMIoU` (or finds it running under this id), shows how it gets on, and gives its result. */
export function runEval(
  session: Session,
  workflowId: string,
  input: EvalInput,
  terminal: Terminal,
): Promise<EvalResult> {
  return runWatched(session, { type: 'EvalMIoU', workflowId, input }, terminal, {
    cancelling: 'workers end, nothing is published',
    cancelled: async () => 'nothing was published',
  });
}

/** What becomes of a run when it is cancelled: said when that begins, and when it is done. */
export interface Watching {
  cancelling: string;
  cancelled(handle: WorkflowHandle): Promise<string>;
}

/** Starts a workflow, or finds it running under this id, shows how it gets on, and gives its result. Ctrl-C cancels it. */
export async function runWatched<T>(
  session: Pick<Session, 'client' | 'temporalUiUrl'>,
  start: Start,
  terminal: Terminal,
  watching: Watching,
): Promise<T> {
  const { type, workflowId } = start;
  const { client, temporalUiUrl } = session;
  const handle = await startOrFind(client, start, terminal);
  const page = runPage({ uiUrl: temporalUiUrl, namespace: client.options.namespace }, workflowId);
  terminal.print(`▸ ${type} ${workflowId}${page ? ` · ${page}` : ''}`);
  const cancel = interrupted().then(async () => {
    terminal.print(`▸ cancelling: ${watching.cancelling} (again Ctrl-C to leave it behind)`);
    await handle.cancel();
  });
  cancel.catch(() => terminal.print(`▸ Temporal did not take the cancellation; ${comeBack(handle)}`));
  const result = await follow<T & { cached?: true }>(client, type, handle, terminal, watching);
  if (result.cached) terminal.done(`${workflowId} has finished before: these are the results of that run`);
  return result;
}

/** Shows how a workflow gets on until it ends, and gives its result. @throws TypedFailure in its cause's own words */
async function follow<T>(
  client: Client,
  type: string,
  handle: WorkflowHandle,
  terminal: Terminal,
  { cancelled }: Pick<Watching, 'cancelled'>,
): Promise<T> {
  const over = new AbortController();
  const showing = terminal === SILENT ? null : showProgress(type, handle, over.signal, terminal);
  try {
    return (await resultOf(client, handle, terminal)) as T;
  } catch (error) {
    throw await readable(error, () => cancelled(handle));
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

/** The message about a workflow's failure: that of its cause. */
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
