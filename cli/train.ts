import { readTrainResults } from '../core/read-train-results.ts';
import type { TrainOptions } from './commands/train.ts';
import { trainRequest } from './inputs/train-request.ts';
import { runTraining, trainingText } from './run-training.ts';
import { openSession } from './session.ts';
import { terminal } from './terminal.ts';

/** `tessera train`: trains a config's head, and prints its evaluations. */
export async function train(config: string, options: TrainOptions): Promise<void> {
  const screen = terminal();
  const request = await trainRequest(config, options);
  await using session = await openSession(screen);
  const result = await runTraining(session, request.workflowId, request.input(session.bucket), screen);
  console.log(trainingText(await readTrainResults(session.store, result.resultsUri)));
  console.log(`\nhead     ${result.head}\nlog      ${result.logUri}\nresults  ${result.resultsUri}`);
}
