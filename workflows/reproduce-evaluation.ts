import type { EvalInput, EvalRun } from '../core/config/eval.ts';
import { runAgain } from '../core/run-again.ts';

/** The two ways to evaluate the same again. */
export function reproduceEvaluation({ workflowId }: Pick<EvalRun, 'workflowId'>, input: EvalInput): string[] {
  return runAgain({
    type: 'EvalMIoU',
    command: 'run',
    workflowId,
    input: { ...input, recompute: true },
    options: { head: input.head, split: input.split },
  });
}
