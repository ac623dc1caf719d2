import type { z } from 'zod';
import { runPrefix } from '../../activities/plan/run-prefix.ts';
import { parseInput } from '../../core/config/parse.ts';

/** What a command starts: checked before there is anything to start it on. */
export interface Request<Input> {
  type: 'EvalMIoU' | 'Train' | 'ReproduceTable';
  workflowId: string;
  /** @param bucket where results go unless the command says otherwise: it is known when the servers are */
  input(bucket: string): Input;
}

/** @throws BadInput for an input or an id that a control worker would refuse, in its words */
export function checked<Input extends { output: string }>(
  request: Request<Input>,
  schema: z.ZodType,
): Request<Input> {
  const { type, workflowId } = request;
  const input = request.input('tessera');
  parseInput(schema, input, `${type} input`);
  runPrefix({ output: input.output, recompute: false }, { workflowId, runId: '' });
  return request;
}
