import { BadInput } from '../../core/config/failures.ts';
import { openStore } from '../session.ts';
import { terminal } from '../terminal.ts';
import { makeIndex } from './make-index.ts';

export interface IndexOptions {
  json?: true;
}

/** Writes index.html over the runs below a prefix, and prints its address. */
export async function indexRuns(address: string, { json }: IndexOptions): Promise<void> {
  const prefix = address.replace(/\/+$/, '');
  if (!/^s3:\/\/[^/]+/.test(prefix))
    throw new BadInput(`index: ${address} should be a bucket or a folder in it, such as s3://bucket/runs`);
  const { store } = await openStore();
  const shown = terminal();
  shown.step(`reading what is published below ${prefix}`);
  const index = await makeIndex(store, prefix);
  const parts = index.runs.filter(({ partOf }) => partOf !== null).length;
  for (const { reason } of index.notRead) shown.print(`! not listed: ${reason}`);
  shown.done(
    `${index.runs.length - parts} runs${parts > 0 ? `, and ${parts} that are parts of them` : ''} are in the index`,
  );
  console.log(json ? JSON.stringify(index, null, 2) : index.page);
}
