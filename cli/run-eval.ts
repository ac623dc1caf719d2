import type { RunOptions } from './commands/run.ts';
import { evalRequest } from './inputs/eval-request.ts';
import { resultsText, runEval } from './run-workflow.ts';
import { openSession } from './session.ts';
import { terminal } from './terminal.ts';

/** `tessera run`: evaluates a config, and prints the per-class table. */
export async function evaluate(config: string, options: RunOptions): Promise<void> {
  const screen = terminal();
  const request = await evalRequest(config, options);
  await using session = await openSession(screen);
  const result = await runEval(session, request.workflowId, request.input(session.bucket), screen);
  console.log(await resultsText(session, result.resultsUri));
  // Nobody is to take it for the whole.
  if (result.partial) process.exitCode = 1;
  console.log(`\nresults  ${result.resultsUri}\nreport   ${result.reportUri}`);
}
