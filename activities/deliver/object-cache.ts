import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  appendFile,
  type FileHandle,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  truncate,
} from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import { lock } from 'proper-lockfile';
import type { StagedObject } from '../../core/config/eval.ts';
import { BadData, Unavailable } from '../../core/config/failures.ts';
import type { Store } from '../../core/store.ts';

/** Big enough that a request's overhead doesn't count, small enough that a lost one doesn't. */
const PART_BYTES = 16 << 20;
const PARTS_AT_ONCE = 8;

export interface FetchOptions {
  /** Bytes at hand of all bytes. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/**
 * Brings an object into the node's cache, once however many workers ask, and returns its file.
 *
 * Content-addressed: `<folder>/objects/<sha256>` exists only after its digest was checked. One process
 * downloads under a lock while others wait; parts that are there survive a kill and are not fetched again.
 *
 * @throws BadData if the object's bytes are not those of its manifest
 */
export async function fetchToCache(
  store: Store,
  folder: string,
  object: StagedObject,
  options: FetchOptions = {},
): Promise<string> {
  const file = path.join(folder, 'objects', object.sha256);
  if (await exists(file)) return file;
  await mkdir(path.dirname(file), { recursive: true });
  const release = await lock(file, {
    realpath: false,
    // A lock that went stale under us (a suspended machine) costs a second download, and no wrong byte.
    onCompromised() {},
    stale: 15_000,
    retries: { forever: true, factor: 1.2, minTimeout: 100, maxTimeout: 1_000 },
  });
  try {
    if (!(await exists(file))) await download(store, object, file, options);
    return file;
  } finally {
    await release();
  }
}

async function download(
  store: Store,
  object: StagedObject,
  file: string,
  options: FetchOptions,
): Promise<void> {
  const partial = `${file}.partial`;
  const journal = `${file}.parts`;
  const { sizeBytes } = await store.head(object.uri);
  if (sizeBytes !== object.sizeBytes)
    throw new BadData(
      `${object.uri}: ${sizeBytes} bytes, but its manifest says ${object.sizeBytes}; stage it again`,
    );
  try {
    await fetchParts(store, object, partial, journal, options);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC')
      throw new Unavailable(
        `${path.dirname(file)}: the disk is full; ${object.uri} needs ${sizeBytes} bytes`,
      );
    throw error;
  }
  const digest = createHash('sha256');
  await pipeline(createReadStream(partial, { highWaterMark: 1 << 20 }), digest);
  const actual = digest.digest('hex');
  if (actual !== object.sha256) {
    await rm(partial, { force: true });
    await rm(journal, { force: true });
    throw new BadData(
      `${object.uri}: SHA-256 is ${actual}, but its manifest says ${object.sha256}; stage it again`,
    );
  }
  await rename(partial, file);
  await rm(journal, { force: true });
}

async function fetchParts(
  store: Store,
  object: StagedObject,
  partial: string,
  journal: string,
  { onProgress, signal }: FetchOptions,
): Promise<void> {
  const done = await readJournal(partial, journal);
  const parts = Math.ceil(object.sizeBytes / PART_BYTES);
  let bytes = Math.min(done.size * PART_BYTES, object.sizeBytes);
  await using handle = await open(partial, done.size > 0 ? 'r+' : 'w');
  const limit = pLimit(PARTS_AT_ONCE);
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const fetchPart = async (part: number) => {
    stop.throwIfAborted();
    const offset = part * PART_BYTES;
    const length = Math.min(PART_BYTES, object.sizeBytes - offset);
    await writeAll(handle, await store.read(object.uri, { offset, length }), offset);
    await appendFile(journal, `${part}\n`);
    bytes += length;
    onProgress?.(bytes, object.sizeBytes);
  };
  const missing = Array.from({ length: parts }, (_, part) => part).filter((part) => !done.has(part));
  // All are waited for, failed or not: the file must not be closed under a write that is on its way.
  const outcomes = await Promise.allSettled(
    missing.map((part) =>
      limit(async () => {
        try {
          await fetchPart(part);
        } catch (error) {
          failed.abort(error);
          throw error;
        }
      }),
    ),
  );
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
  await handle.sync();
}

/** Parts that an earlier, interrupted download has written. */
async function readJournal(partial: string, journal: string): Promise<Set<number>> {
  if (!(await exists(partial)) || !(await exists(journal))) {
    await rm(journal, { force: true });
    return new Set();
  }
  const text = await readFile(journal, 'utf8');
  const lines = text.slice(0, text.lastIndexOf('\n') + 1);
  // A last line that was cut off would run together with the next one: 1 and 2 to 12.
  if (lines !== text) await truncate(journal, lines.length);
  return new Set(lines.split('\n').slice(0, -1).map(Number));
}

/** A write may stop short where the disk fills up; the next one then says why. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, offset + at);
    at += bytesWritten;
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
