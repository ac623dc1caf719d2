import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { fetchToCache } from '../../../activities/deliver/object-cache.ts';
import type { ObjectPin, StreamingStore } from '../../../activities/deliver/ranged-read.ts';
import type { StagedObject } from '../../../core/config/eval.ts';
import { BadData, Unavailable } from '../../../core/config/failures.ts';
import type { ByteRange, Store } from '../../../core/store.ts';
import { sha256 } from '../../builders.ts';
import { fillDisk, mount } from '../../infra/mount.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const MiB = 1 << 20;
const PART = 32 * MiB;
const URI = 's3://bucket/weights.pth';
/** Two parts and a half: 0, 1 and the shorter 2. The pattern's length is prime: no two parts are alike. */
const BYTES = Buffer.alloc(
  80 * MiB,
  Uint8Array.from({ length: 99_991 }, (_, i) => (i * 2_654_435_761) >>> 13),
);
const SHA256 = sha256(BYTES);

/** A store with the object, which tells what was read of it; `fail` may make reads of parts fail. */
function objectStore(bytes = BYTES, fail: (part: number) => unknown = () => undefined) {
  const objects = new Map([[URI, bytes]]);
  const inner = memoryStore(objects);
  const parts: number[] = [];
  const store: StreamingStore = {
    ...inner,
    async stream(uri: string, range: ByteRange, pin: ObjectPin) {
      const part = range.offset / PART;
      parts.push(part);
      const failure = fail(part);
      if (failure) throw failure;
      return inner.stream(uri, range, pin);
    },
  };
  const object: StagedObject = { uri: URI, sha256: SHA256, sizeBytes: BYTES.length };
  return { store, parts, object, objects };
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
  expect(cacheFiles(folder)).toEqual([SHA256, `${SHA256}.ok`]);
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
  expect(cacheFiles(folder)).toEqual([`${SHA256}.partial`, `${SHA256}.partial.parts`]);

  const { store, object, parts } = objectStore();
  const file = await fetchToCache(store, folder, object);
  expect(parts).toEqual([1]);
  expect(readFileSync(file).equals(BYTES)).toBe(true);
  expect(cacheFiles(folder)).toEqual([SHA256, `${SHA256}.ok`]);
});

test('a fetch that was told to stop begins no part, and says why', async () => {
  const { store, object, parts } = objectStore();
  const signal = AbortSignal.abort(new Error('the run was cancelled'));
  await expect(fetchToCache(store, temporaryFolder(), object, { signal })).rejects.toThrow(
    'the run was cancelled',
  );
  expect(parts).toEqual([]);
});

test('a fetch that is told to stop in the middle of a part stops there, and says why', async () => {
  const { store, object } = objectStore();
  const stop = new AbortController();
  let isFirst = true;
  // Gives some bytes and then nothing more, as a connection does whose other end is gone.
  store.stream = async () =>
    new Readable({
      read() {
        if (isFirst) this.push(BYTES.subarray(0, MiB));
        else stop.abort(new Error('the run was cancelled'));
        isFirst = false;
      },
    });
  await expect(fetchToCache(store, temporaryFolder(), object, { signal: stop.signal })).rejects.toThrow(
    'the run was cancelled',
  );
});

test('a line of the journal that was cut off neither counts nor spoils the next one', async () => {
  const folder = temporaryFolder();
  await interrupt(folder, `0 ${PART}\n${PART} ${PART}`);
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
    await interrupt(folder, `0 ${PART}\n${PART} ${PART}\n`, lost);
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
  expect(cacheFiles(folder)).toEqual([SHA256, `${SHA256}.ok`]);
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
  expect(readdirSync(join(folder, 'objects')).filter((name) => name.endsWith('.lock'))).toEqual([]);
  await fetchToCache(objectStore().store, folder, failing.object);
  expect(cacheFiles(folder)).toEqual([SHA256, `${SHA256}.ok`]);
});

test('a stream that breaks off in the middle is opened again, and its part is whole', async () => {
  const { store, object, parts } = objectStore();
  const inner = store.stream;
  let breaks = 2;
  store.stream = async (uri, range, pin) => {
    const whole = await inner(uri, range, pin);
    if (range.offset !== PART || breaks-- === 0) return whole;
    return Readable.from(
      (async function* () {
        yield BYTES.subarray(PART, PART + 1000);
        throw new Error('aborted');
      })(),
    );
  };
  const file = await fetchToCache(store, temporaryFolder(), object);
  expect(readFileSync(file).equals(BYTES)).toBe(true);
  expect(parts.filter((part) => part === 1)).toHaveLength(3);
});

test('an object that is replaced during the fetch is BadData, never a mixture', async () => {
  const folder = temporaryFolder();
  const replaced = objectStore(BYTES, (part) => {
    if (part === 2) replaced.objects.set(URI, Buffer.alloc(BYTES.length, 7));
    return undefined;
  });
  const refusal = fetchToCache(replaced.store, folder, replaced.object);
  await expect(refusal).rejects.toThrow(BadData);
  await expect(refusal).rejects.toThrow(`${URI}: was replaced while it was being fetched`);
  expect(existsSync(join(folder, 'objects', SHA256))).toBe(false);
});

test('a disk with too little room is said before a byte is fetched: where, and how much is needed', async () => {
  const folder = temporaryFolder();
  const { store, object, parts } = objectStore();
  const sizeBytes = 2 ** 44;
  store.head = async () => ({ sizeBytes, etag: '' });
  const refusal = fetchToCache(store, folder, { ...object, sizeBytes });
  await expect(refusal).rejects.toThrow(Unavailable);
  await expect(refusal).rejects.toThrow(
    new RegExp(
      `^${folder}/objects: [\\d.]+ [kMG]B of disk are free, but ${URI} needs 17592.2 GB: .*TESSERA_CACHE`,
    ),
  );
  expect(parts).toEqual([]);
});

describe('a disk that fills up', () => {
  const bytes = BYTES.subarray(0, MiB);
  const object: StagedObject = { uri: URI, sha256: sha256(bytes), sizeBytes: bytes.length };

  test('during a fetch ends it: says where and what was needed; with room again it is fetched', async ({
    skip,
  }) => {
    const folder = temporaryFolder();
    if (!mount(folder, '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs')) skip('needs the right to mount');
    let makeRoom = () => {};
    const { store } = objectStore(bytes, () => {
      makeRoom = fillDisk(folder);
    });
    const refusal = fetchToCache(store, folder, object);
    await expect(refusal).rejects.toThrow(Unavailable);
    await expect(refusal).rejects.toThrow(
      `${folder}/objects: the disk is full; ${URI} needs 1.0 MB: make room, or let TESSERA_CACHE name`,
    );
    expect(cacheFiles(folder)).not.toContain(object.sha256);
    makeRoom();
    const file = await fetchToCache(objectStore(bytes).store, folder, object);
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  test('so that not even a lock fits on it ends the fetch, too, and holds nobody up', async ({ skip }) => {
    const folder = temporaryFolder();
    // A root, the folder of objects, and no other file.
    if (!mount(folder, '-t', 'tmpfs', '-o', 'size=2m,nr_inodes=2', 'tmpfs')) skip('needs the right to mount');
    await mkdir(join(folder, 'objects'));
    const refusal = fetchToCache(objectStore(bytes).store, folder, object);
    await expect(refusal).rejects.toThrow(Unavailable);
    await expect(refusal).rejects.toThrow(`${folder}/objects: the disk is full; ${URI} needs 1.0 MB`);
  });
});

describe('a file in the cache', () => {
  /** A cached object whose bytes are changed by `damage`, and what the next fetch does about it. */
  async function fetchAfter(damage: (file: string) => void) {
    const folder = temporaryFolder();
    const file = await fetchToCache(objectStore().store, folder, objectStore().object);
    damage(file);
    const { store, object, parts } = objectStore();
    await fetchToCache(store, folder, object);
    expect(readFileSync(file).equals(BYTES)).toBe(true);
    return parts.length;
  }
  const flipByte = (file: string) => {
    const bytes = readFileSync(file);
    bytes[PART + 5]! ^= 1;
    writeFileSync(file, bytes);
  };

  test('with a flipped byte is fetched again', async () => {
    expect(await fetchAfter(flipByte)).toBe(3);
  });

  test('that was cut short is fetched again', async () => {
    expect(await fetchAfter((file) => truncateSync(file, PART))).toBe(3);
  });

  test('that was touched, or has lost its mark, is hashed again and kept', async () => {
    expect(await fetchAfter((file) => utimesSync(file, 1, 1))).toBe(0);
    expect(await fetchAfter((file) => rmSync(`${file}.ok`))).toBe(0);
    expect(await fetchAfter((file) => writeFileSync(`${file}.ok`, '{"sizeBytes":'))).toBe(0);
  });

  test('whose byte was flipped unseen is found by TESSERA_VERIFY_CACHE=1', async () => {
    const unseen = (file: string) => {
      const { atime, mtime } = statSync(file);
      flipByte(file);
      utimesSync(file, atime, mtime);
      const { mtimeNs } = statSync(file, { bigint: true });
      const mark = JSON.parse(readFileSync(`${file}.ok`, 'utf8'));
      writeFileSync(`${file}.ok`, JSON.stringify({ ...mark, modifiedNs: String(mtimeNs) }));
    };
    vi.stubEnv('TESSERA_VERIFY_CACHE', '1');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await fetchAfter(unseen)).toBe(3);
  });
});

describe('a part of an object', () => {
  const slice = (offset: number, length: number) => ({
    offset,
    length,
    name: `bytes at ${offset}`,
    sha256: sha256(BYTES.subarray(offset, offset + length)),
  });
  const RANGES = [
    { offset: 0, length: MiB },
    { offset: 20 * MiB, length: 50 * MiB },
  ];
  const only = { ranges: RANGES, digestedRanges: [slice(10, 500), slice(21 * MiB, 17 * MiB)] };

  test('is fetched by its ranges; the rest is a hole', async () => {
    const folder = temporaryFolder();
    const { store, object, parts } = objectStore();
    const progress: number[] = [];
    const file = await fetchToCache(store, folder, object, {
      only,
      onProgress: (done) => progress.push(done),
    });
    const bytes = readFileSync(file);
    expect(bytes).toHaveLength(BYTES.length);
    for (const { offset, length } of RANGES)
      expect(bytes.subarray(offset, offset + length).equals(BYTES.subarray(offset, offset + length))).toBe(
        true,
      );
    expect(bytes.subarray(2 * MiB, 19 * MiB).every((byte) => byte === 0)).toBe(true);
    expect(parts).toHaveLength(3);
    expect(progress.at(-1)).toBe(51 * MiB);
    expect(await fetchToCache(store, folder, object, { only })).toBe(file);
    expect(parts).toHaveLength(3);
  });

  test('is another entry than the whole, or than other ranges', async () => {
    const folder = temporaryFolder();
    const { store, object } = objectStore();
    const less = { ranges: RANGES.slice(0, 1), digestedRanges: only.digestedRanges.slice(0, 1) };
    const files = [
      await fetchToCache(store, folder, object, { only }),
      await fetchToCache(store, folder, object, { only: less }),
      await fetchToCache(store, folder, object),
    ];
    expect(new Set(files).size).toBe(3);
  });

  test('with a wrong byte is BadData that names it', async () => {
    const damaged = Buffer.from(BYTES);
    damaged[22 * MiB]! ^= 1;
    const { store, object } = objectStore(damaged);
    const refusal = fetchToCache(store, temporaryFolder(), object, { only });
    await expect(refusal).rejects.toThrow(BadData);
    await expect(refusal).rejects.toThrow(`SHA-256 of bytes at ${21 * MiB} is`);
  });
});

/** The traces of a download that was killed with this journal; one of the two files may be lost. */
async function interrupt(folder: string, journal: string, lost?: 'partial' | 'journal'): Promise<void> {
  const file = join(folder, 'objects', SHA256);
  await mkdir(dirname(file), { recursive: true });
  if (lost !== 'partial') {
    writeFileSync(`${file}.partial`, BYTES);
    truncateSync(`${file}.partial`, PART + 7);
  }
  if (lost !== 'journal') writeFileSync(`${file}.partial.parts`, journal);
}
