import type { TableOptions } from './commands/reproduce.ts';
import { tableRequest } from './inputs/table-request.ts';
import { tableToEnd } from './runs/to-end.ts';
import { openSession } from './session.ts';
import { terminal } from './terminal.ts';

/** Starts `ReproduceTable` (or finds it running under this id), shows its rows, and prints the table. */
export async function runTable(names: string[], options: TableOptions): Promise<void> {
  const screen = terminal();
  const request = await tableRequest(names, options);
  const { workflowId } = request;
  await using session = await openSession(screen);
  await tableToEnd(session, workflowId, request.input(session.bucket), screen);
}
