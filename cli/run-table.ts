import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import {
  SUITES,
  type Suite,
  type TableInput,
  type TableProgress,
  type TableResult,
} from '../core/config/table.ts';
import { timestamp } from './commands/run.ts';
import { runWatched } from './run-workflow.ts';
import { openSession } from './session.ts';
import { type Terminal, terminal } from './terminal.ts';

export interface TableOptions {
  weights: string;
  dataset: string;
  evaluationSplit: string;
  allowOverlap?: true;
  output?: string;
  workflowId?: string;
  head?: Record<string, string>;
  cfgOptions?: string[];
  concurrency: string;
  deadline: string;
  recompute?: true;
}

const LOOK_EVERY_MS = 1_000;

/** Starts `ReproduceTable` (or finds it running under this id), shows its rows, and prints the table. */
export async function runTable(names: string[], options: TableOptions): Promise<void> {
  const screen = terminal();
  await using session = await openSession(screen);
  const { weights, dataset, evaluationSplit } = options;
  const workflowId = options.workflowId ?? `reproduce-${timestamp(new Date())}`;
  const input: TableInput = {
    ...whatOf(names, options.head ?? {}),
    ...{ weights, dataset, evaluationSplit, overrides: options.cfgOptions ?? [] },
    output: options.output ?? `s3://${session.bucket}/runs`,
    allowOverlap: options.allowOverlap ?? false,
    concurrency: Number(options.concurrency),
    deadlineMinutes: Number(options.deadline),
    recompute: options.recompute ?? false,
  };
  const result: TableResult = await runWatched(
    session,
    { type: 'ReproduceTable', workflowId, input },
    screen,
    {
      show: showTable,
      cancelling: 'the row at work saves where it is, then its workers end',
      cancelled: async () => `the same command with --workflow-id ${workflowId} goes on from there`,
    },
  );
  console.log((await session.store.read(result.markdownUri)).toString());
  console.log(`table    ${result.tableUri}\npage     ${result.pageUri}`);
  if (result.failed > 0) process.exitCode = 1;
}

/** A suite's name alone means its rows; heads go to the rows of their configs. */
function whatOf(names: string[], heads: Record<string, string>): Pick<TableInput, 'suite' | 'rows'> {
  const rowOf = (config: string) => ({ config, ...(heads[config] ? { head: heads[config] } : {}) });
  const [suite] = names;
  if (names.length === 1 && suite! in SUITES)
    return { suite: suite as Suite, rows: Object.keys(heads).map(rowOf) };
  const others = Object.keys(heads).filter((config) => !names.includes(config));
  return { rows: [...names, ...others].map(rowOf) };
}

/** A line for each row that begins or ends. */
async function showTable(handle: WorkflowHandle, signal: AbortSignal, terminal: Terminal): Promise<void> {
  const told = new Set<string>();
  while (!signal.aborted) {
    const progress = await handle.query<TableProgress>('progress').catch(() => null);
    for (const { name, workflowId, kind, state, mIoU, message } of progress?.rows ?? []) {
      if (told.has(`${workflowId} ${state}`)) continue;
      told.add(`${workflowId} ${state}`);
      if (state === 'running') terminal.step(`${name}: ${kind === 'train' ? 'training' : 'evaluating'} …`);
      if (state === 'done') terminal.done(`${name}: mIoU ${mIoU === null ? 'nan' : (100 * mIoU).toFixed(2)}`);
      if (state === 'failed') terminal.print(`✗ ${name}: ${message}`);
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
  }
}
