import { createHash } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import pRetry from 'p-retry';
import { lock } from 'proper-lockfile';
import type { StagedObject } from '../../core/config/eval.ts';
import { BadData } from '../../core/config/failures.ts';
import type { ByteRange } from '../../core/store.ts';
import { cachedObject, isVerified, markVerified, removeMarked } from '../cache-mark.ts';
import { type DiskNeed, withRoom } from '../disk-room.ts';
import { DigestThread, digestRanges } from './digest.ts';
import { downloadRanges, journalOf } from './download-ranges.ts';
import type { ObjectPin, ObjectSource } from './ranged-read.ts';

/** Bytes with a known digest. */
export interface DigestedRange extends ByteRange {
  sha256: string;
  /** What the digest has before these bytes: the header of a shard whose tensors alone were taken. */
  prefix?: Uint8Array;
  /** What messages call it, where it isn't the whole object. */
  name?: string;
}

/** A part of an object that is enough for some purpose. */
export interface PartialObject {
  /** What is fetched, in order; the rest of the file stays a hole that reads as zeros and takes no disk. */
  ranges: ByteRange[];
  /** What is verified, in order, within `ranges`. */
  digestedRanges: DigestedRange[];
}

export interface FetchOptions {
  /** Bytes at hand of all bytes that are needed. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
  /** Only so much of the object. */
  only?: PartialObject;
  /** Another cache, from which verified entries are taken; nothing is written there. */
  readOnly?: string | null;
}

/**
 * Brings an object into the node's cache, once however many workers ask, and returns its file.
 *
 * Content-addressed: `<folder>/objects/<sha256>` exists only after its digest was checked; a part of an object has
 * its ranges in its name, too. One process downloads under a lock while others wait; parts that are there survive
 * a kill and are not fetched again. What is cached is taken as it is while it looks untouched (docs/decisions/0008);
 * `TESSERA_VERIFY_CACHE=1` hashes it again.
 *
 * @throws BadData if the object's bytes are not those of its manifest, or it was replaced meanwhile;
 *   Unavailable if the disk has too little room
 */
export async function fetchToCache(
  store: ObjectSource,
  folder: string,
  object: StagedObject,
  options: FetchOptions = {},
): Promise<string> {
  const name = path.join('objects', cacheName(object, options.only));
  const file = path.join(folder, name);
  const verifyAlways = process.env.TESSERA_VERIFY_CACHE === '1';
  if (!verifyAlways)
    // A whole object has every part of it.
    for (const place of options.readOnly ? [options.readOnly, folder] : [folder])
      for (const there of [path.join(place, name), cachedObject(place, object)])
        if (await isVerified(there)) return there;
  const need: DiskNeed = {
    folder: path.dirname(file),
    what: object.uri,
    variable: 'TESSERA_CACHE',
    bytes: rangesOf(object, options.only).reduce((sum, { length }) => sum + length, 0),
  };
  return withRoom(need, async () => {
    await mkdir(need.folder, { recursive: true });
    const release = await lockFile(file, options.signal);
    try {
      if (!verifyAlways && (await isVerified(file))) return file;
      if (await isIntact(file, digestedRangesOf(object, options.only))) await markVerified(file);
      else await fetchAnew(store, object, file, options);
      return file;
    } finally {
      await release();
    }
  });
}

/** Waits as long as another worker holds the lock. */
function lockFile(file: string, signal: AbortSignal | undefined): Promise<() => Promise<void>> {
  const attempt = () =>
    lock(file, {
      realpath: false,
      // A lock that went stale under us (a suspended machine) costs a second download, and no wrong byte.
      onCompromised() {},
      stale: 15_000,
    });
  return pRetry(attempt, {
    retries: Number.POSITIVE_INFINITY,
    factor: 1.2,
    minTimeout: 100,
    maxTimeout: 1_000,
    ...(signal ? { signal } : {}),
    // A disk that is full has no room for a lock either, and waiting gives it none.
    shouldRetry: ({ error }) => 'code' in error && error.code === 'ELOCKED',
  });
}

function cacheName({ sha256 }: StagedObject, only?: PartialObject): string {
  if (!only) return sha256;
  const ranges = createHash('sha256').update(JSON.stringify(only.ranges)).digest('hex');
  return `${sha256}.${ranges.slice(0, 16)}`;
}

function rangesOf({ sizeBytes }: StagedObject, only?: PartialObject): ByteRange[] {
  return only?.ranges ?? [{ offset: 0, length: sizeBytes }];
}

function digestedRangesOf({ sizeBytes, sha256 }: StagedObject, only?: PartialObject): DigestedRange[] {
  return only?.digestedRanges ?? [{ offset: 0, length: sizeBytes, sha256 }];
}

/** Whether a file is there whose bytes have their digests. One that was touched is hashed before it is given up. */
async function isIntact(file: string, digestedRanges: DigestedRange[]): Promise<boolean> {
  // Nothing shows that it is what it should be.
  if (digestedRanges.length === 0) return false;
  const { size } = await stat(file).catch(() => ({ size: -1 }));
  const end = digestedRanges.reduce((furthest, { offset, length }) => Math.max(furthest, offset + length), 0);
  if (size < end) return false;
  const digests = await digestRanges(file, digestedRanges);
  return digestedRanges.every(({ sha256 }, i) => sha256 === digests[i]);
}

async function fetchAnew(
  store: ObjectSource,
  object: StagedObject,
  file: string,
  { onProgress, signal, only }: FetchOptions,
): Promise<void> {
  await removeMarked(file);
  const { uri, sizeBytes } = object;
  const partial = `${file}.partial`;
  const digestedRanges = digestedRangesOf(object, only);
  const pin = await pinObject(store, object);
  const ranges = rangesOf(object, only);
  let follower: DigestThread | undefined;
  try {
    const onFront = (offset: number) => {
      // At the first call the file is there to be opened.
      follower ??= new DigestThread(partial, digestedRanges);
      follower.advance(offset);
    };
    await downloadRanges({ store, uri, pin, sizeBytes, ranges, file: partial, onFront, onProgress, signal });
    const digests = (await follower?.digests) ?? [];
    const wrong = digestedRanges.findIndex(({ sha256 }, i) => sha256 !== digests[i]);
    if (wrong >= 0) {
      await rm(partial, { force: true });
      await rm(journalOf(partial), { force: true });
      const { sha256, name } = digestedRanges[wrong]!;
      throw new BadData(
        `${uri}: SHA-256 ${name ? `of ${name} ` : ''}is ${digests[wrong]}, but its manifest says ${sha256}; stage it again`,
      );
    }
  } finally {
    await follower?.[Symbol.asyncDispose]();
  }
  await rename(partial, file);
  await markVerified(file);
  await rm(journalOf(partial), { force: true });
}

/** The plan's version where it names one; else what is there now, which must have the manifest's size. */
async function pinObject(
  store: ObjectSource,
  { uri, versionId, sizeBytes }: StagedObject,
): Promise<ObjectPin> {
  if (versionId) return { versionId };
  const info = await store.head(uri);
  if (info.sizeBytes !== sizeBytes)
    throw new BadData(`${uri}: ${info.sizeBytes} bytes, but its manifest says ${sizeBytes}; stage it again`);
  return { etag: info.etag };
}
