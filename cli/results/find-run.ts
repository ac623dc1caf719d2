import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import {
  type WorkflowExecutionStatusName,
  WorkflowFailedError,
  type WorkflowHandle,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { z } from 'zod';
import { runPrefix } from '../../activities/plan/run-prefix.ts';
import { BadInput } from '../../core/config/failures.ts';
import { folderOf, type Store } from '../../core/store.ts';
import { inputOf } from '../runs/history.ts';
import { openRunning, openStore, type Session } from '../session.ts';
import { localFiles, type RunFiles, storeFiles } from './run-files.ts';

/** A run, as somebody named it: by its workflow id, its folder on S3, or a folder of this machine. */
export interface FoundRun {
  name: string;
  files: RunFiles;
  /** Why there may be no results. */
  state: string | null;
}

/** Where a workflow's objects are; `ReproduceTable` and the others agree on these fields. */
const InputSchema = z.object({ output: z.string(), recompute: z.boolean().default(false) });
const ResultSchema = z.union([
  z.object({ resultsUri: z.string() }).transform(({ resultsUri }) => resultsUri),
  z.object({ tableUri: z.string() }).transform(({ tableUri }) => tableUri),
]);

/** How a run that is over without results ended. */
const ENDINGS: Partial<Record<WorkflowExecutionStatusName, string>> = {
  FAILED: 'failed',
  CANCELLED: 'was cancelled',
  TERMINATED: 'was terminated',
  TIMED_OUT: 'ran out of time',
};

/**
 * Finds runs. Temporal and S3 are asked only for names that need them.
 *
 * @throws BadInput naming what is not there, and where it was looked for
 */
export async function findRuns(names: string[]): Promise<FoundRun[]> {
  const isId = (name: string) => !name.startsWith('s3://') && !isLocal(name);
  if (!names.some(isId)) {
    const store = names.some((name) => name.startsWith('s3://')) ? (await openStore()).store : null;
    return names.map((name) => foundAt(name, store));
  }
  await using session = await openRunning('. A folder or an s3:// address needs neither');
  const runs: FoundRun[] = [];
  for (const name of names)
    runs.push(isId(name) ? await findById(session, name) : foundAt(name, session.store));
  return runs;
}

export async function findRun(name: string): Promise<FoundRun> {
  return (await findRuns([name]))[0]!;
}

/** A folder of a run, or a file in it such as results.json. */
function foundAt(name: string, store: Store | null): FoundRun {
  const plain = name.replace(/\/+$/, '');
  if (store && name.startsWith('s3://')) {
    const folder = /\.(json|html)$/.test(plain) ? folderOf(plain) : plain;
    return { name, files: storeFiles(store, folder), state: null };
  }
  const file = path.resolve(name);
  const folder = statSync(file).isDirectory() ? file : path.dirname(file);
  return { name, files: localFiles(folder), state: null };
}

/** What is published, in a folder. */
const DOCUMENTS = ['results.json', 'table.json'];

/** A path, or the name of a folder that holds results: other folders may well be named as a run is. */
function isLocal(name: string): boolean {
  const isPath = /[/\\]/.test(name) || name === '.' || name === '..';
  const isThere = (file: string) => existsSync(path.resolve(name, file));
  if (isPath && !isThere('.'))
    throw new BadInput(
      `${name}: no such folder, and a workflow id has no slash. Give an id, an s3:// address or a folder`,
    );
  return isPath || DOCUMENTS.includes(name) || DOCUMENTS.some(isThere);
}

async function findById({ client, store, bucket }: Session, id: string): Promise<FoundRun> {
  const handle = client.workflow.getHandle(id);
  const usual = `s3://${bucket}/runs/${id}`;
  let described: Awaited<ReturnType<WorkflowHandle['describe']>>;
  try {
    described = await handle.describe();
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    // Temporal forgets after its retention; what was published stays.
    if ((await store.list(`${usual}/`)).length > 0)
      return { name: id, files: storeFiles(store, usual), state: null };
    throw new BadInput(
      `${id}: no such run in Temporal's namespace ${client.options.namespace}, and nothing at ${usual}. ` +
        'If it is older than Temporal remembers, give its s3:// address',
    );
  }
  const { status, runId, type } = described;
  const files = (folder: string): RunFiles => storeFiles(store, folder);
  if (status.name === 'COMPLETED') {
    const published = ResultSchema.safeParse(await handle.result());
    if (published.success) return { name: id, files: files(folderOf(published.data)), state: null };
    throw new BadInput(`${id}: is a run of ${type}, which has no results`);
  }
  const input = InputSchema.safeParse(await inputOf(client, { workflowId: id, runId }));
  if (!input.success) throw new BadInput(`${id}: is a run of ${type}, which has no results`);
  const ending = ENDINGS[status.name];
  const state = ending
    ? `it ${ending}, and published nothing${status.name === 'FAILED' ? await reasonOf(handle) : ''}`
    : 'it is still running, and publishes its results at the end';
  return { name: id, files: files(runPrefix(input.data, { workflowId: id, runId })), state };
}

async function reasonOf(handle: WorkflowHandle): Promise<string> {
  const error = await handle.result().catch((failure: unknown) => failure);
  return error instanceof WorkflowFailedError && error.cause ? `: ${error.cause.message}` : '';
}
