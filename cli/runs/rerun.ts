import { type EvalInput, EvalInputSchema } from '../../core/config/eval.ts';
import { BadInput } from '../../core/config/failures.ts';
import { currentType, RUN_KINDS } from '../../core/config/listing.ts';
import { parseAs } from '../../core/config/parse.ts';
import { type TableInput, TableInputSchema } from '../../core/config/table.ts';
import { type TrainInput, TrainInputSchema } from '../../core/config/train-run.ts';
import { evaluateTo, type OutcomeOptions, tableTo, trainTo } from '../run-outcome.ts';
import { timestamp } from '../timestamp.ts';
import { inputOf } from './history.ts';
import { describeRun } from './read-run.ts';
import { stateOf } from './run-row.ts';
import { openTemporal } from './temporal.ts';

export interface RerunOptions extends OutcomeOptions {
  cfgOptions?: string[];
  workflowId?: string;
}

/**
 * `tessera rerun ID`: what Temporal's history keeps of its input, with overrides changed; the rest stays as it was.
 *
 * @throws BadInput for an unknown id, a workflow of another kind, or an id that is taken
 */
export async function rerun(id: string, options: RerunOptions): Promise<void> {
  const { cfgOptions: overrides = [], workflowId: wanted } = options;
  const { type, earlier } = await readEarlier(id, wanted);
  const workflowId = wanted ?? freshId(id, new Date());
  const where = `the input of ${id}`;
  if (type === 'Train') {
    const input: TrainInput = changed(parseAs(TrainInputSchema, earlier, where), { overrides });
    return trainTo({ type, workflowId, input: () => input }, options);
  }
  if (type === 'ReproduceTable') {
    const input: TableInput = changed(parseAs(TableInputSchema, earlier, where), { overrides });
    return tableTo({ type, workflowId, input: () => input }, options);
  }
  const input: EvalInput = changed(parseAs(EvalInputSchema, earlier, where), { overrides });
  return evaluateTo({ type, workflowId, input: () => input }, options);
}

async function readEarlier(id: string, wanted: string | undefined) {
  await using temporal = await openTemporal();
  const { runId, type, status, parentExecution } = await describeRun(temporal, id);
  const kind = RUN_KINDS.find((name) => name === currentType(type));
  if (!kind) throw new BadInput(`${id} is a ${type}; only runs of ${RUN_KINDS.join(', ')} can be run again`);
  if (parentExecution)
    throw new BadInput(`${id} is a part of ${parentExecution.workflowId}: run that one again`);
  if (wanted === id && stateOf(status.name) === 'running')
    throw new BadInput(`${id} is still running: give another --workflow-id, or tessera cancel ${id} first`);
  return { type: kind, earlier: await inputOf(temporal.client, { workflowId: id, runId }) };
}

/** An input with overrides in place of those of the same keys, and after the others. */
export function changed<I extends { overrides: string[] }>(
  input: I,
  { overrides }: { overrides: string[] },
): I {
  const keyOf = (override: string) => override.slice(0, override.indexOf('='));
  const keys = new Set(overrides.map(keyOf));
  return { ...input, overrides: [...input.overrides.filter((old) => !keys.has(keyOf(old))), ...overrides] };
}

/** The earlier id with the time in place of its own: `tiny-20261124-215003`. */
export function freshId(id: string, now: Date): string {
  return `${id.replace(/-\d{8}-\d{6}$/, '')}-${timestamp(now)}`;
}
