import { type Client, WorkflowExecutionAlreadyStartedError, type WorkflowHandle } from '@temporalio/client';
import type { z } from 'zod';
import { differences, differencesText } from '../core/config/differences.ts';
import { EvalInputSchema } from '../core/config/eval.ts';
import { BadInput } from '../core/config/failures.ts';
import { currentType } from '../core/config/listing.ts';
import { StageDatasetInputSchema, StageWeightsInputSchema } from '../core/config/stage.ts';
import { TableInputSchema } from '../core/config/table.ts';
import { TrainInputSchema } from '../core/config/train-run.ts';
import { TASK_QUEUE } from './await-workflow.ts';
import { describedStart } from './runs/described-start.ts';
import { inputOf } from './runs/history.ts';
import type { Terminal } from './terminal.ts';

const INPUTS: Record<string, z.ZodType> = {
  EvalMIoU: EvalInputSchema,
  Train: TrainInputSchema,
  ReproduceTable: TableInputSchema,
  StageDataset: StageDatasetInputSchema,
  StageWeights: StageWeightsInputSchema,
};

export interface Start {
  type: string;
  workflowId: string;
  input: unknown;
}

/**
 * Starts a workflow, or finds it if it runs already with the same input.
 *
 * @throws BadInput if something else runs under this id: its result would be taken for this one's
 */
export async function startOrFind(client: Client, start: Start, terminal: Terminal): Promise<WorkflowHandle> {
  const { type, workflowId, input } = start;
  for (;;) {
    try {
      const described = describedStart(type, input);
      return await client.workflow.start(type, {
        taskQueue: TASK_QUEUE,
        workflowId,
        args: [input],
        ...described,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const running = client.workflow.getHandle(workflowId);
      const { status, runId, type: runningType } = await running.describe();
      if (status.name !== 'RUNNING' && status.name !== 'PAUSED') continue; // It has ended meanwhile.
      await ensureSame(client, start, { runId, type: runningType });
      terminal.print(`▸ ${workflowId} runs already with this input: watching it`);
      return client.workflow.getHandle(workflowId, runId);
    }
  }
}

async function ensureSame(
  client: Client,
  { type, workflowId, input }: Start,
  running: { runId: string; type: string },
): Promise<void> {
  const otherwise = 'Choose another workflow id, or wait until it has ended, or cancel it';
  if (currentType(running.type) !== currentType(type))
    throw new BadInput(`${workflowId}: is running as ${running.type}, not as ${type}. ${otherwise}`);
  const before = withDefaults(type, await inputOf(client, { workflowId, runId: running.runId }));
  const others = differences(before, withDefaults(type, input));
  if (others.length > 0)
    throw new BadInput(
      `${workflowId}: is running with another input: ${differencesText(others)}. ${otherwise}`,
    );
}

/** An input in full, so that a field that is left out equals its default. What the schema refuses stays as it is. */
function withDefaults(type: string, input: unknown): unknown {
  const parsed = INPUTS[currentType(type)]?.safeParse(input);
  return parsed?.success ? parsed.data : input;
}
