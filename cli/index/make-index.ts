import pLimit from 'p-limit';
import { renderIndex } from '../../activities/publish/index/render-index.tsx';
import { BadData, BadInput } from '../../core/config/failures.ts';
import type { IndexedRun, RunIndex } from '../../core/config/run-index.ts';
import { folderOf, joinUri, type Store } from '../../core/store.ts';
import { readIndexed } from './read-indexed.ts';

/** What is published, and the page beside it. */
const PAGE_OF: Record<string, string> = { 'results.json': 'report.html', 'table.json': 'table.html' };
const READS_AT_ONCE = 16;
/** Results of 100,000 shards have 40 MB; somebody else's results.json may have any size. */
const MAX_BYTES = 256_000_000;
/** The head of a page of ours has its generator in it. */
const HEAD_BYTES = 4096;
const GENERATOR = '<meta name="generator" content="Tessera">';

type Objects = Awaited<ReturnType<Store['list']>>;

/**
 * Reads what is published below a prefix, and writes index.html there.
 *
 * @throws BadInput if no run is there, or an index.html that is not Tessera's
 */
export async function makeIndex(store: Store, prefix: string): Promise<RunIndex> {
  const page = joinUri(prefix, 'index.html');
  const objects = await store.list(`${prefix}/`);
  await checkPage(store, page, objects);
  const index: RunIndex = {
    version: 1,
    kind: 'index',
    prefix,
    page,
    ...(await readAll(store, objects)),
  };
  if (index.runs.length === 0)
    throw new BadInput(
      `${prefix}: no run has published below it${index.notRead[0] ? `; ${index.notRead[0].reason}` : ''}. ` +
        'Give the folder that was the output of runs, such as s3://bucket/runs',
    );
  await store.write(page, Buffer.from(renderIndex(index)), { contentType: 'text/html; charset=utf-8' });
  return index;
}

/** What is no page of ours is not replaced. */
async function checkPage(store: Store, page: string, objects: Objects): Promise<void> {
  const there = objects.find(({ uri }) => uri === page);
  if (!there) return;
  const length = Math.min(HEAD_BYTES, there.sizeBytes);
  const head = length > 0 ? await store.read(page, { offset: 0, length }) : '';
  if (!head.toString().includes(GENERATOR))
    throw new BadInput(`${page}: is there, and was not made by Tessera. Move it, or give another prefix`);
}

async function readAll(store: Store, objects: Objects): Promise<Pick<RunIndex, 'runs' | 'notRead'>> {
  const names = new Set(objects.map(({ uri }) => uri));
  const published = objects.filter(({ uri }) => PAGE_OF[nameOf(uri)]);
  const read = pLimit(READS_AT_ONCE);
  const notRead: RunIndex['notRead'] = [];
  const found = await Promise.all(
    published.map(({ uri, sizeBytes }) =>
      read(async (): Promise<IndexedRun | null> => {
        try {
          if (sizeBytes > MAX_BYTES)
            throw new BadInput(`${uri}: has ${sizeBytes} bytes, too many for results`);
          const told = readIndexed(await store.read(uri), uri);
          const pageUri = joinUri(folderOf(uri), PAGE_OF[nameOf(uri)]!);
          return { ...told, resultsUri: uri, pageUri: names.has(pageUri) ? pageUri : null, partOf: null };
        } catch (error) {
          if (!(error instanceof BadInput || error instanceof BadData)) throw error;
          notRead.push({ uri, reason: error.message });
          return null;
        }
      }),
    ),
  );
  const runs = found.filter((run) => run !== null);
  return {
    runs: runs.map((run) => ({ ...run, partOf: ownerOf(run, runs) })).sort(lastFirst),
    notRead: notRead.sort((a, b) => (a.uri < b.uri ? -1 : 1)),
  };
}

/** The innermost training or table in whose folder a run lies. */
function ownerOf({ resultsUri }: IndexedRun, runs: IndexedRun[]): string | null {
  const owners = runs
    .filter(({ kind }) => kind !== 'evaluation')
    .map(({ workflowId, resultsUri: owner }) => ({ workflowId, folder: `${folderOf(owner)}/` }))
    .filter(({ folder }) => folderOf(resultsUri).startsWith(folder))
    .sort((a, b) => b.folder.length - a.folder.length);
  return owners[0]?.workflowId ?? null;
}

function lastFirst(a: IndexedRun, b: IndexedRun): number {
  return (b.finishedAt ?? '').localeCompare(a.finishedAt ?? '') || (a.resultsUri < b.resultsUri ? -1 : 1);
}

function nameOf(uri: string): string {
  return uri.slice(uri.lastIndexOf('/') + 1);
}
