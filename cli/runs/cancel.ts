import { WorkflowFailedError } from '@temporalio/client';
import { z } from 'zod';
import { BadInput } from '../../core/config/failures.ts';
import { currentType } from '../../core/config/listing.ts';
import { resultOf } from '../await-workflow.ts';
import { terminal } from '../terminal.ts';
import { askProgress } from './progress-view.ts';
import { describeRun, readRun } from './read-run.ts';
import { type RunState, STATES, stateOf } from './run-row.ts';
import { openTemporal, soon, type Temporal } from './temporal.ts';

export interface CancelOptions {
  wait: boolean;
  json?: true;
}

/** What `tessera cancel ID --json` prints. */
export const CancelledSchema = z.strictObject({
  id: z.string(),
  /** `running` if it was not waited for. */
  state: z.enum(Object.keys(STATES) as [RunState, ...RunState[]]),
  /** What stays of it, and how to resume, in a sentence. */
  kept: z.string().nullable(),
});

const KEPT_WITHIN_MS = 5_000;

/**
 * `tessera cancel ID`.
 *
 * @throws BadInput for an unknown id, or a run that has ended otherwise
 */
export async function cancel(id: string, { wait, json }: CancelOptions): Promise<void> {
  const screen = terminal();
  await using temporal = await openTemporal();
  const { client } = temporal;
  const { runId, type, status } = await describeRun(temporal, id);
  const before = stateOf(status.name);
  if (before !== 'running' && before !== 'cancelled')
    throw new BadInput(`${id} has ended already: ${before}. There is nothing to cancel`);
  const handle = client.workflow.getHandle(id, runId);
  let state: RunState = before;
  if (before === 'running') {
    await handle.cancel();
    if (wait) {
      screen.step(`cancelling ${id} …`);
      try {
        await resultOf(client, handle, screen);
      } catch (error) {
        if (!(error instanceof WorkflowFailedError)) throw error;
      }
      state = stateOf((await handle.describe()).status.name);
    }
  }
  const kept = state === 'running' ? null : await keptText(temporal, id, { runId, type, state });
  if (json) {
    screen.clear();
    console.log(JSON.stringify({ id, state, kept }, null, 2));
  } else if (state === 'running')
    screen.done(`${id}: Temporal has taken the cancellation; tessera status ${id}`);
  else screen.done(`${id} is ${state}: ${kept}`);
}

/** What stays of a run that was cancelled, or that ended just before. */
async function keptText(
  temporal: Temporal,
  id: string,
  { runId, type, state }: { runId: string; type: string; state: RunState },
): Promise<string> {
  if (state === 'completed')
    return `it was done before the cancellation came: ${(await readRun(temporal, id)).resultsUri}`;
  const handle = temporal.client.workflow.getHandle(id, runId);
  const progress = await soon(temporal.client, KEPT_WITHIN_MS, () => askProgress(handle, type));
  if (type === 'EvalMIoU') return 'its workers have ended, nothing was published';
  if (currentType(type) === 'Train') {
    if (!progress)
      return `its checkpoints stay; tessera rerun ${id} --workflow-id ${id} resumes from the last one`;
    const { checkpoint } = progress.training ?? {};
    return checkpoint
      ? `its checkpoint of step ${checkpoint.step} stays (${checkpoint.uri}); ` +
          `tessera rerun ${id} --workflow-id ${id} resumes from there`
      : 'no checkpoint was written';
  }
  if (type === 'ReproduceTable') {
    const done = progress?.rows.filter((row) => row.state === 'done').length;
    return `${done === undefined ? 'rows that are done stay' : `${done} of ${progress!.total} rows are done and stay`}; tessera rerun ${id} --workflow-id ${id} resumes from there`;
  }
  return 'what it has uploaded stays, and the same command uploads only the rest';
}
