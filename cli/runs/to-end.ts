import type { EvalInput } from '../../core/config/eval.ts';
import type { TableInput, TableResult } from '../../core/config/table.ts';
import type { TrainInput } from '../../core/config/train-run.ts';
import { readTrainResults } from '../../core/read-train-results.ts';
import { runTraining, trainingText } from '../run-training.ts';
import { resultsText, runEval, runWatched } from '../run-workflow.ts';
import type { Session } from '../session.ts';
import type { Terminal } from '../terminal.ts';

/** Starts an evaluation, shows it until it ends, and prints the per-class table and where everything is. */
export async function evaluationToEnd(
  session: Session,
  workflowId: string,
  input: EvalInput,
  screen: Terminal,
): Promise<void> {
  const result = await runEval(session, workflowId, input, screen);
  console.log(await resultsText(session, result.resultsUri));
  console.log(`\nresults  ${result.resultsUri}\nreport   ${result.reportUri}`);
}

/** Starts a training, shows it until it ends, and prints its evaluations and where everything is. */
export async function trainingToEnd(
  session: Session,
  workflowId: string,
  input: TrainInput,
  screen: Terminal,
): Promise<void> {
  const result = await runTraining(session, workflowId, input, screen);
  console.log(trainingText(await readTrainResults(session.store, result.resultsUri)));
  console.log(`\nhead     ${result.head}\nlog      ${result.logUri}\nresults  ${result.resultsUri}`);
}

/** Starts a table, shows it until it ends, and prints it. A row that failed sets the exit code. */
export async function tableToEnd(
  session: Session,
  workflowId: string,
  input: TableInput,
  screen: Terminal,
): Promise<void> {
  const start = { type: 'ReproduceTable', workflowId, input };
  const result = await runWatched<TableResult>(session, start, screen, {
    cancelling: 'the row at work saves where it is, then its workers end',
    cancelled: async () => `the same command with --workflow-id ${workflowId} resumes from there`,
  });
  console.log((await session.store.read(result.markdownUri)).toString());
  console.log(`table    ${result.tableUri}\npage     ${result.pageUri}`);
  if (result.failed > 0) process.exitCode = 1;
}
