import { readRun } from './read-run.ts';
import { statusText } from './status-text.ts';
import { openTemporal } from './temporal.ts';

export interface StatusOptions {
  json?: true;
}

/** `tessera status ID`: one picture of a run. */
export async function status(id: string, options: StatusOptions): Promise<void> {
  await using temporal = await openTemporal();
  const run = await readRun(temporal, id);
  console.log(options.json ? JSON.stringify(run, null, 2) : statusText(run, process.stdout.columns));
}
