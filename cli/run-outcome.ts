import type { Started } from '../core/config/command-output.ts';
import type { EvalInput } from '../core/config/eval.ts';
import { BadInput, TypedFailure } from '../core/config/failures.ts';
import type { TableInput, TableResult } from '../core/config/table.ts';
import type { TrainInput } from '../core/config/train-run.ts';
import { readResults } from '../core/read-results.ts';
import { readTable } from '../core/read-table.ts';
import { readTrainResults } from '../core/read-train-results.ts';
import type { TableOptions } from './commands/reproduce.ts';
import type { RunOptions } from './commands/run.ts';
import type { TrainOptions } from './commands/train.ts';
import { evalRequest } from './inputs/eval-request.ts';
import type { Request } from './inputs/request.ts';
import { tableRequest } from './inputs/table-request.ts';
import { trainRequest } from './inputs/train-request.ts';
import { GateNotMet } from './outcomes.ts';
import { runTraining, trainingText } from './run-training.ts';
import { resultsText, runEval, runWatched } from './run-workflow.ts';
import { connectSession, openRunning } from './session.ts';
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

/** `tessera run`. */
export async function runConfig(config: string, options: RunOptions): Promise<void> {
  await evaluateTo(await evalRequest(config, options), options);
}

/** `tessera train`. */
export async function trainConfig(config: string, options: TrainOptions): Promise<void> {
  await trainTo(await trainRequest(config, options), options);
}

/** `tessera reproduce`. */
export async function runTable(names: string[], options: TableOptions): Promise<void> {
  await tableTo(await tableRequest(names, options), options);
}

/** Evaluates, and prints the results. @throws GateNotMet if they are not good enough; BudgetSpent */
export async function evaluateTo(request: Request<EvalInput>, options: OutcomeOptions): Promise<void> {
  const { workflowId } = request;
  const screen = screenOf(options);
  if (!options.wait) return startOnly(request, options, screen);
  await using session = await connectSession(screen);
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

/** Trains, and prints the evaluations. The gate is about the last one, as the original reports it. */
export async function trainTo(request: Request<TrainInput>, options: OutcomeOptions): Promise<void> {
  const { workflowId } = request;
  const screen = screenOf(options);
  if (!options.wait) return startOnly(request, options, screen);
  await using session = await connectSession(screen);
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

/** Makes a table, and prints it. A row that failed sets the exit code. */
export async function tableTo(request: Request<TableInput>, options: OutcomeOptions): Promise<void> {
  if (options.minMiou !== undefined)
    throw new BadInput('--min-miou: a table has an mIoU per row; name one of its rows, or read --json');
  const { workflowId } = request;
  const screen = screenOf(options);
  if (!options.wait) return startOnly(request, options, screen);
  await using session = await connectSession(screen);
  const start = { type: 'ReproduceTable', workflowId, input: request.input(session.bucket) };
  const result = await runWatched<TableResult>(session, start, screen, {
    cancelling: 'the row at work saves where it is, then its workers end',
    cancelled: async () => `the same command with --workflow-id ${workflowId} resumes from there`,
  });
  if (options.json) console.log(JSON.stringify(await readTable(session.store, result.tableUri), null, 2));
  else {
    console.log((await session.store.read(result.markdownUri)).toString());
    console.log(`table    ${result.tableUri}\npage     ${result.pageUri}`);
  }
  if (result.failed > 0) process.exitCode = 1;
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
