import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { openNodeCache } from '../../../activities/deliver/node-cache.ts';
import { fetchToCache } from '../../../activities/deliver/object-cache.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { sha256 } from '../../builders.ts';
import { mount } from '../../infra/mount.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const BYTES = Buffer.from('weights');
const object = { uri: 's3://bucket/weights.pth', sha256: sha256(BYTES), sizeBytes: BYTES.length };
const store = memoryStore(new Map([[object.uri, BYTES]]));
const empty = memoryStore(new Map());

describe('a worker’s cache', () => {
  test('is the node’s, made if it isn’t there, and left as it was', async () => {
    const folder = join(temporaryFolder(), 'cache');
    expect(await openNodeCache(folder, '/nowhere')).toEqual({ folder, readOnly: null });
    expect(readdirSync(folder)).toEqual([]);
  });

  test('is its own, where the node’s is no folder', async () => {
    const base = temporaryFolder();
    const [folder, own] = [join(base, 'cache'), join(base, 'own')];
    writeFileSync(folder, '');
    expect(await openNodeCache(folder, own)).toEqual({ folder: own, readOnly: folder });
    await expect(openNodeCache(folder, null)).rejects.toThrow(BadInput);
    await expect(openNodeCache(folder, null)).rejects.toThrow(`${folder} can't be written to (EEXIST)`);
    await expect(openNodeCache(folder, join(folder, 'below'))).rejects.toThrow(
      `neither the weights' cache ${folder} (EEXIST) nor TESSERA_CACHE_FALLBACK ${folder}/below (ENOTDIR)`,
    );
  });

  test('is its own, where the node’s may only be read, and what is there is not fetched again', async ({
    skip,
  }) => {
    const base = temporaryFolder();
    const [folder, own] = [join(base, 'cache'), join(base, 'own')];
    const there = await fetchToCache(store, folder, object);
    if (!mount(folder, '--bind', '-o', 'ro', folder)) skip('needs the right to mount');
    const cache = await openNodeCache(folder, own);
    expect(cache).toEqual({ folder: own, readOnly: folder });
    expect(await fetchToCache(empty, cache.folder, object, { readOnly: cache.readOnly })).toBe(there);
  });

  test('is its own, where the node’s disk is full', async ({ skip }) => {
    const folder = temporaryFolder();
    if (!mount(folder, '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs')) skip('needs the right to mount');
    writeFileSync(join(folder, 'full'), Buffer.alloc(32 << 10));
    const own = temporaryFolder();
    expect(await openNodeCache(folder, own)).toEqual({ folder: own, readOnly: folder });
  });
});

describe('from a cache that is only read', () => {
  test('what was never verified is not taken, but fetched', async () => {
    const [folder, own] = [temporaryFolder(), temporaryFolder()];
    mkdirSync(join(folder, 'objects'));
    writeFileSync(join(folder, 'objects', object.sha256), 'wrong!!');
    const file = await fetchToCache(store, own, object, { readOnly: folder });
    expect(file).toBe(join(own, 'objects', object.sha256));
    expect(readFileSync(file).equals(BYTES)).toBe(true);
    expect(readdirSync(join(folder, 'objects'))).toEqual([object.sha256]);
  });
});

test('the lock of a worker that was killed holds nobody up for longer than it takes to go stale', async () => {
  const folder = temporaryFolder();
  const lock = join(folder, 'objects', `${object.sha256}.lock`);
  mkdirSync(lock, { recursive: true });
  const longAgo = Date.now() / 1000 - 16;
  utimesSync(lock, longAgo, longAgo);
  // A living one's would be waited for, beyond this test's time.
  expect(readFileSync(await fetchToCache(store, folder, object)).equals(BYTES)).toBe(true);
});
