import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { TableProgress, TableResult } from '../core/config/table.ts';
import type { TableOptions } from './commands/reproduce.ts';
import { tableRequest } from './inputs/table-request.ts';
import { runWatched } from './run-workflow.ts';
import { openSession } from './session.ts';
import { type Terminal, terminal } from './terminal.ts';

const LOOK_EVERY_MS = 1_000;

/** Starts `ReproduceTable` (or finds it running under this id), shows its rows, and prints the table. */
export async function runTable(names: string[], options: TableOptions): Promise<void> {
  const screen = terminal();
  const request = await tableRequest(names, options);
  const { workflowId } = request;
  await using session = await openSession(screen);
  const result: TableResult = await runWatched(
    session,
    { type: 'ReproduceTable', workflowId, input: request.input(session.bucket) },
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
