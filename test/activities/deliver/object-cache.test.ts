import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { fetchToCache } from '../../../activities/deliver/object-cache.ts';
import type { StagedObject } from '../../../core/config/eval.ts';
import { BadData, Unavailable } from '../../../core/config/failures.ts';
import type { ByteRange, Store } from '../../../core/store.ts';
import { sha256 } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const MiB = 1 << 20;
const PART = 16 * MiB;
const URI = 's3://bucket/weights.pth';
/** Two parts and a half: 0, 1 and the shorter 2. The pattern's length is prime: no two parts are alike. */
const BYTES = Buffer.alloc(
  40 * MiB,
  Uint8Array.from({ length: 99_991 }, (_, i) => (i * 2_654_435_761) >>> 13),
);
const SHA256 = sha256(BYTES);

/** A store with the object, which tells what was read of it; `fail` may make reads of parts fail. */
function objectStore(bytes = BYTES, fail: (part: number) => unknown = () => undefined) {
  const inner = memoryStore(new Map([[URI, bytes]]));
  const parts: number[] = [];
  const store: Store = {
    ...inner,
    async read(uri: string, range?: ByteRange) {
      const part = (range?.offset ?? 0) / PART;
      parts.push(part);
      const failure = fail(part);
      if (failure) throw failure;
      return inner.read(uri, range);
    },
  };
  const object: StagedObject = { uri: URI, sha256: SHA256, sizeBytes: BYTES.length };
  return { store, parts, object };
}

function cacheFiles(folder: string): string[] {
  return existsSync(join(folder, 'objects')) ? readdirSync(join(folder, 'objects')).sort() : [];
}

test('an object lies in the cache by its digest, and nothing else does', async () => {
  const folder = temporaryFolder();
  const { store, object, parts } = objectStore();
  const progress: number[] = [];
  const file = await fetchToCache(store, folder, object, { onProgress: (done) => progress.push(done) });
  expect(file).toBe(join(folder, 'objects', SHA256));
  expect(readFileSync(file).equals(BYTES)).toBe(true);
  expect(cacheFiles(folder)).toEqual([SHA256]);
  expect(parts.sort()).toEqual([0, 1, 2]);
  expect(progress.at(-1)).toBe(BYTES.length);
});

test('what is cached is not asked for again', async () => {
  const folder = temporaryFolder();
  const { store, object } = objectStore();
  const file = await fetchToCache(store, folder, object);
  const silent = new Proxy({} as Store, {
    get: (_, call) => {
      throw new Error(`the store was asked: ${String(call)}`);
    },
  });
  expect(await fetchToCache(silent, folder, object)).toBe(file);
});

test('workers that ask at the same time fetch it once, and all get it', async () => {
  const folder = temporaryFolder();
  const { store, object, parts } = objectStore();
  const files = await Promise.all([1, 2, 3].map(() => fetchToCache(store, folder, object)));
  expect(new Set(files).size).toBe(1);
  expect(parts.sort()).toEqual([0, 1, 2]);
});

test('an empty object is fetched, too', async () => {
  const { store } = objectStore(Buffer.alloc(0));
  const empty = { uri: URI, sha256: sha256(Buffer.alloc(0)), sizeBytes: 0 };
  expect(readFileSync(await fetchToCache(store, temporaryFolder(), empty))).toHaveLength(0);
});

test('after a failure, only the parts that are missing are fetched', async () => {
  const folder = temporaryFolder();
  const failing = objectStore(BYTES, (part) => part === 1 && new Unavailable('reset'));
  await expect(fetchToCache(failing.store, folder, failing.object)).rejects.toThrow(Unavailable);
  expect(cacheFiles(folder)).toEqual([`${SHA256}.partial`, `${SHA256}.parts`]);

  const { store, object, parts } = objectStore();
  const file = await fetchToCache(store, folder, object);
  expect(parts).toEqual([1]);
  expect(readFileSync(file).equals(BYTES)).toBe(true);
  expect(cacheFiles(folder)).toEqual([SHA256]);
});

test('a fetch that was told to stop begins no part, and says why', async () => {
  const { store, object, parts } = objectStore();
  const signal = AbortSignal.abort(new Error('the run was cancelled'));
  await expect(fetchToCache(store, temporaryFolder(), object, { signal })).rejects.toThrow(
    'the run was cancelled',
  );
  expect(parts).toEqual([]);
});

test('a line of the journal that was cut off neither counts nor spoils the next one', async () => {
  const folder = temporaryFolder();
  await interrupt(folder, '0\n1');
  const failing = objectStore(BYTES, (part) => part === 1 && new Unavailable('reset'));
  await expect(fetchToCache(failing.store, folder, failing.object)).rejects.toThrow(Unavailable);
  expect(failing.parts).toEqual([1, 2]);

  const { store, object, parts } = objectStore();
  await fetchToCache(store, folder, object);
  expect(parts).toEqual([1]);
});

test('a journal without its file, or a file without its journal, starts from nothing', async () => {
  for (const lost of ['partial', 'journal'] as const) {
    const folder = temporaryFolder();
    await interrupt(folder, '0\n1\n', lost);
    const { store, object, parts } = objectStore();
    await fetchToCache(store, folder, object);
    expect(parts.sort()).toEqual([0, 1, 2]);
  }
});

test('bytes that are not those of the manifest are BadData, and leave nothing behind', async () => {
  const folder = temporaryFolder();
  const damaged = Buffer.from(BYTES);
  damaged[PART + 5]! ^= 1;
  const { store, object } = objectStore(damaged);
  const refusal = fetchToCache(store, folder, object);
  await expect(refusal).rejects.toThrow(BadData);
  await expect(refusal).rejects.toThrow(
    `${URI}: SHA-256 is ${sha256(damaged)}, but its manifest says ${SHA256}`,
  );
  expect(cacheFiles(folder)).toEqual([]);
  // A repaired object is fetched anew.
  await fetchToCache(objectStore().store, folder, object);
  expect(cacheFiles(folder)).toEqual([SHA256]);
});

test('an object of another size than its manifest says is BadData before a byte is fetched', async () => {
  const { store, object, parts } = objectStore(BYTES.subarray(0, -1));
  const refusal = fetchToCache(store, temporaryFolder(), object);
  await expect(refusal).rejects.toThrow(BadData);
  await expect(refusal).rejects.toThrow(`${BYTES.length - 1} bytes, but its manifest says ${BYTES.length}`);
  expect(parts).toEqual([]);
});

test('a failed part fails the fetch with its own cause, and the lock is given back', async () => {
  const folder = temporaryFolder();
  const failing = objectStore(BYTES, (part) => part === 2 && new Unavailable('part 2: connection reset'));
  const refusal = fetchToCache(failing.store, folder, failing.object);
  await expect(refusal).rejects.toThrow('part 2: connection reset');
  const began = performance.now();
  await fetchToCache(objectStore().store, folder, failing.object);
  expect(performance.now() - began).toBeLessThan(5_000);
});

/** The traces of a download that was killed with this journal; one of the two files may be lost. */
async function interrupt(folder: string, journal: string, lost?: 'partial' | 'journal'): Promise<void> {
  const file = join(folder, 'objects', SHA256);
  await mkdir(dirname(file), { recursive: true });
  if (lost !== 'partial') {
    writeFileSync(`${file}.partial`, BYTES);
    truncateSync(`${file}.partial`, PART + 7);
  }
  if (lost !== 'journal') writeFileSync(`${file}.parts`, journal);
}
