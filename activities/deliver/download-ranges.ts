import { appendFile, type FileHandle, open, readFile, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import pRetry from 'p-retry';
import { TypedFailure, Unavailable } from '../../core/config/failures.ts';
import type { ByteRange } from '../../core/store.ts';
import { bootId } from '../cache-mark.ts';
import { ensureRoom, isDiskFull } from '../disk-room.ts';
import { type ObjectPin, type ObjectSource, streamRange } from './ranged-read.ts';

/** Big enough that a request's overhead doesn't count, small enough that a lost one doesn't. */
const PART_BYTES = 32 << 20;
/** Parallel streams. S3 delivers about 90 MB/s per stream; more streams slow a small machine down. */
const PARTS_AT_ONCE = 8;
/** What a stream may have read ahead of the disk; it is written in as few calls as that takes. */
const WRITE_AHEAD_BYTES = 1 << 20;
/** A stream that breaks off in the middle is opened again so often; the client itself only retries beginnings. */
const RETRIES = 3;

export interface Download {
  store: ObjectSource;
  uri: string;
  pin: ObjectPin;
  /** Size of the whole object, and of the file. */
  sizeBytes: number;
  /** What of it is needed, in order; the rest stays a hole. */
  ranges: ByteRange[];
  /** Where the bytes go; what an earlier attempt left in it is kept. */
  file: string;
  /** Called with the offset below which everything needed is there. */
  onFront(offset: number): void;
  onProgress?: ((done: number, total: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Downloads ranges of an object into a file: parts at once, each written at its place as its bytes come.
 * A journal beside the file (`.parts`) lists the complete parts for the next attempt.
 *
 * @throws Unavailable if the disk has too little room, or a part doesn't come
 */
export async function downloadRanges(options: Download): Promise<void> {
  const { file, sizeBytes, ranges, uri } = options;
  const journal = journalOf(file);
  const parts = cutParts(ranges);
  const done = await readJournal(file);
  const isDone = (part: ByteRange) => done.has(lineOf(part));
  const missing = parts.filter((part) => !isDone(part));
  const missingBytes = sum(missing);
  const total = sum(parts);
  await ensureRoom({ folder: path.dirname(file), what: uri, bytes: missingBytes, variable: 'TESSERA_CACHE' });

  await using handle = await open(file, done.size > 0 ? 'r+' : 'w');
  if (done.size === 0) await handle.truncate(sizeBytes);
  let bytes = total - missingBytes;
  let first = 0;
  const advance = () => {
    while (first < parts.length && isDone(parts[first]!)) first++;
    options.onFront(parts[first]?.offset ?? sizeBytes);
  };
  advance();
  options.onProgress?.(bytes, total);
  const fetchPart = async (part: ByteRange, signal: AbortSignal) => {
    await retried(() => writePart(options, part, handle, signal), uri, signal);
    await appendFile(journal, `${lineOf(part)}\n`);
    done.add(lineOf(part));
    bytes += part.length;
    advance();
    options.onProgress?.(bytes, total);
  };
  await allOrFirstFailure(missing, fetchPart, options.signal ?? new AbortController().signal);
  // Elsewhere a reboot shows in the file's mark, and it is verified again; waiting for the disk would cost seconds.
  if ((await bootId()) === null) await handle.sync();
}

export function journalOf(file: string): string {
  return `${file}.parts`;
}

async function writePart(
  { store, uri, pin }: Download,
  part: ByteRange,
  handle: FileHandle,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const body = await streamRange(store, uri, part, pin);
  const sink = fileRange(handle, part.offset);
  await pipeline(body, sink.stream, { signal });
  if (sink.written() !== part.length)
    throw new Error(`${sink.written()} of ${part.length} bytes came at ${part.offset}`);
}

/** A stream into a file at an offset. What gathers while one write is on its way is the next one. */
function fileRange(handle: FileHandle, offset: number) {
  let at = offset;
  const write = async (buffers: Buffer[]) => {
    for (let rest = buffers; rest.length > 0; ) {
      const { bytesWritten } = await handle.writev(rest, at);
      at += bytesWritten;
      rest = without(rest, bytesWritten);
    }
  };
  const stream = new Writable({
    highWaterMark: WRITE_AHEAD_BYTES,
    write: (chunk: Buffer, _, done) => write([chunk]).then(() => done(), done),
    writev: (chunks, done) => write(chunks.map(({ chunk }) => chunk)).then(() => done(), done),
  });
  return { stream, written: () => at - offset };
}

/** Buffers less the first bytes. A write may stop short where the disk fills up; the next one then says why. */
function without(buffers: Buffer[], bytes: number): Buffer[] {
  let skip = bytes;
  return buffers.flatMap((buffer) => {
    const skipped = Math.min(skip, buffer.length);
    skip -= skipped;
    return skipped === buffer.length ? [] : [buffer.subarray(skipped)];
  });
}

/** Retries a broken transfer; neither a permanent error nor a cancelled one. */
async function retried(attempt: () => Promise<void>, uri: string, signal: AbortSignal): Promise<void> {
  const isFinal = (error: unknown) => error instanceof TypedFailure || isDiskFull(error) || signal.aborted;
  try {
    await pRetry(attempt, { retries: RETRIES, minTimeout: 200, shouldRetry: ({ error }) => !isFinal(error) });
  } catch (error) {
    if (isFinal(error)) throw signal.aborted ? signal.reason : error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new Unavailable(`${uri}: the download broke off: ${detail}`, { cause: error });
  }
}

/** Runs for all, some at once. After a failure nothing new begins, but what is on its way is waited for. */
async function allOrFirstFailure<T>(
  items: T[],
  run: (item: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const limit = pLimit(PARTS_AT_ONCE);
  const failed = new AbortController();
  const attempt = async (item: T) => {
    if (failed.signal.aborted) return;
    try {
      signal.throwIfAborted();
      await run(item, signal);
    } catch (error) {
      failed.abort(error);
    }
  };
  // The file must not be closed under a write that is on its way, and the next attempt has less to do.
  await Promise.all(items.map((item) => limit(attempt, item)));
  failed.signal.throwIfAborted();
}

/** Parts of at most `PART_BYTES`, in order. */
function cutParts(ranges: ByteRange[]): ByteRange[] {
  return ranges.flatMap(({ offset, length }) =>
    Array.from({ length: Math.ceil(length / PART_BYTES) }, (_, i) => ({
      offset: offset + i * PART_BYTES,
      length: Math.min(PART_BYTES, length - i * PART_BYTES),
    })),
  );
}

/** Parts that an earlier, interrupted download has written, by their lines. */
async function readJournal(file: string): Promise<Set<string>> {
  const journal = journalOf(file);
  const text = await readFile(journal, 'utf8').catch(() => '');
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  const lines = exists ? text.slice(0, text.lastIndexOf('\n') + 1) : '';
  // A last line that was cut off would run together with the next one.
  if (lines !== text) await truncate(journal, lines.length);
  return new Set(lines.split('\n').slice(0, -1));
}

function lineOf({ offset, length }: ByteRange): string {
  return `${offset} ${length}`;
}

function sum(parts: ByteRange[]): number {
  return parts.reduce((bytes, { length }) => bytes + length, 0);
}
