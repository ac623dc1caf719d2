import type { Started } from '../core/config/command-output.ts';
import { TypedFailure } from '../core/config/failures.ts';
import { readResults } from '../core/read-results.ts';
import { readTrainResults } from '../core/read-train-results.ts';
import type { RunOptions } from './commands/run.ts';
import type { TrainOptions } from './commands/train.ts';
import { evalRequest } from './inputs/eval-request.ts';
import type { Request } from './inputs/request.ts';
import { trainRequest } from './inputs/train-request.ts';
import { GateNotMet } from './outcomes.ts';
import { runTraining, trainingText } from './run-training.ts';
import { resultsText, runEval } from './run-workflow.ts';
import { openRunning, openSession } from './session.ts';
import { startOrFind } from './start-workflow.ts';
import { SILENT, type Terminal, terminal } from './terminal.ts';

/** What a user wants to have of a run. */
export interface OutcomeOptions {
  /** Percent. */
  minMiou?: number;
  json?: true;
  quiet?: true;
  wait: boolean;
}

/** `tessera run`: evaluates, and prints the results. @throws GateNotMet if they are not good enough; BudgetSpent */
export async function evaluateTo(config: string, options: RunOptions): Promise<void> {
  const request = await evalRequest(config, options);
  const { workflowId } = request;
  const screen = screenOf(options);
  if (!options.wait) return startOnly(request, options, screen);
  await using session = await openSession(screen);
  const { resultsUri, reportUri } = await runEval(session, workflowId, request.input(session.bucket), screen);
  const results = await readResults(session.store, resultsUri);
  if (options.json) console.log(JSON.stringify(results, null, 2));
  else
    console.log(`${await resultsText(session, resultsUri)}\n\nresults  ${resultsUri}\nreport   ${reportUri}`);
  // Nobody is to take it for the whole.
  if (results.partial)
    throw new TypedFailure(
      'BudgetSpent',
      `${workflowId}: ${results.partial.reason}; its results are partial`,
    );
  ensureMet(options, results.metrics.mIoU, '');
}

/** `tessera train`: trains, and prints the evaluations. The gate is about the last one, as the original reports it. */
export async function trainTo(config: string, options: TrainOptions): Promise<void> {
  const request = await trainRequest(config, options);
  const { workflowId } = request;
  const screen = screenOf(options);
  if (!options.wait) return startOnly(request, options, screen);
  await using session = await openSession(screen);
  const result = await runTraining(session, workflowId, request.input(session.bucket), screen);
  const results = await readTrainResults(session.store, result.resultsUri);
  if (options.json) console.log(JSON.stringify(results, null, 2));
  else
    console.log(
      `${trainingText(results)}\n\nhead     ${result.head}\nlog      ${result.logUri}\nresults  ${result.resultsUri}`,
    );
  const { step, mIoU } = results.evaluations.at(-1)!;
  ensureMet(options, mIoU, ` at step ${step}`);
}

/** Starts a run, prints its id, and leaves it: to a Temporal that stays. */
async function startOnly<T>(
  { type, workflowId, input }: Request<T>,
  { json }: OutcomeOptions,
  screen: Terminal,
): Promise<void> {
  await using session = await openRunning();
  const handle = await startOrFind(
    session.client,
    { type, workflowId, input: input(session.bucket) },
    screen,
  );
  const { runId } = await handle.describe();
  const started: Started = { workflowId, runId };
  console.log(json ? JSON.stringify(started, null, 2) : workflowId);
}

function ensureMet({ minMiou }: OutcomeOptions, mIoU: number | null, where: string): void {
  if (minMiou === undefined) return;
  if (mIoU === null)
    throw new GateNotMet(`no mIoU${where}: no pixel is labelled, so --min-miou ${minMiou} is not met`);
  if (100 * mIoU < minMiou)
    throw new GateNotMet(`mIoU is ${(100 * mIoU).toFixed(2)}${where}, below --min-miou ${minMiou}`);
}

function screenOf({ quiet }: OutcomeOptions): Terminal {
  return quiet ? SILENT : terminal();
}
