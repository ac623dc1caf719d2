import { runEval } from '../../cli/run-workflow.ts';
import type { Session } from '../../cli/session.ts';
import type { Terminal } from '../../cli/terminal.ts';
import type { EvalInput } from '../../core/config/eval.ts';
import type { VitConfig } from '../../core/config/model-kinds.ts';
import { readResults } from '../../core/read-results.ts';
import type { BenchReport } from './bench-report.ts';

/** Times `EvalMIoU` as a user runs it, workers and all, from its start until its results are there. */
export async function benchEndToEnd(
  session: Session,
  workflowId: string,
  { input, config }: { input: EvalInput; config: VitConfig },
  screen: Terminal,
): Promise<BenchReport['endToEnd']> {
  const start = performance.now();
  const { resultsUri, images, mIoU } = await runEval(session, workflowId, input, screen);
  const seconds = (performance.now() - start) / 1000;
  const { wall, worker } = (await readResults(session.store, resultsUri)).timeBudget;
  return { images, workers: config.run.workers, seconds, mIoU, wall, worker };
}
