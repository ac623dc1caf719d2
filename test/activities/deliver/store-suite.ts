import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BadData, NotFound } from '../../../core/config/failures.ts';
import type { Store } from '../../../core/store.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const text = (value: string) => Buffer.from(value);

/** What every store does. `open` is called once a test. */
export function storeSuite(open: () => Promise<{ store: Store; bucket: string }>): void {
  /** A store, and a prefix of this test's own. */
  const fresh = async () => {
    const { store, bucket } = await open();
    return { store, prefix: `s3://${bucket}/${randomUUID()}` };
  };

  test('what was written is read back, whole or a range of it', async () => {
    const { store, prefix } = await fresh();
    await store.write(`${prefix}/a`, text('0123456789'));
    expect((await store.read(`${prefix}/a`)).toString()).toBe('0123456789');
    expect((await store.read(`${prefix}/a`, { offset: 0, length: 3 })).toString()).toBe('012');
    expect((await store.read(`${prefix}/a`, { offset: 7, length: 3 })).toString()).toBe('789');
  });

  test('a range beyond the end is BadData, never fewer bytes', async () => {
    const { store, prefix } = await fresh();
    await store.write(`${prefix}/a`, text('0123456789'));
    for (const range of [
      { offset: 8, length: 3 },
      { offset: 10, length: 1 },
      { offset: 99, length: 9 },
    ])
      await expect(store.read(`${prefix}/a`, range)).rejects.toThrow(BadData);
  });

  test('head gives the size, and an etag that changes with the bytes', async () => {
    const { store, prefix } = await fresh();
    await store.write(`${prefix}/a`, text('abc'));
    const before = await store.head(`${prefix}/a`);
    await store.write(`${prefix}/a`, text('abcd'));
    const after = await store.head(`${prefix}/a`);
    expect([before.sizeBytes, after.sizeBytes]).toEqual([3, 4]);
    expect(after.etag).not.toBe(before.etag);
  });

  test('an object may be empty', async () => {
    const { store, prefix } = await fresh();
    await store.write(`${prefix}/a`, text(''));
    expect((await store.head(`${prefix}/a`)).sizeBytes).toBe(0);
    expect(await store.read(`${prefix}/a`)).toHaveLength(0);
  });

  test('a write replaces, a writeOnce does not', async () => {
    const { store, prefix } = await fresh();
    expect(await store.writeOnce(`${prefix}/a`, text('first'))).toBe('written');
    expect(await store.writeOnce(`${prefix}/a`, text('second'))).toBe('exists');
    expect((await store.read(`${prefix}/a`)).toString()).toBe('first');
    await store.write(`${prefix}/a`, text('third'));
    expect((await store.read(`${prefix}/a`)).toString()).toBe('third');
  });

  test('of several that write once, one has written', async () => {
    const { store, prefix } = await fresh();
    const bodies = ['a', 'b', 'c', 'd'];
    const outcomes = await Promise.all(bodies.map((body) => store.writeOnce(`${prefix}/x`, text(body))));
    expect(outcomes.filter((outcome) => outcome === 'written')).toHaveLength(1);
    const winner = bodies[outcomes.indexOf('written')];
    expect((await store.read(`${prefix}/x`)).toString()).toBe(winner);
  });

  test('what was read is not changed by a later write', async () => {
    const { store, prefix } = await fresh();
    const body = text('before');
    await store.write(`${prefix}/a`, body);
    body.fill('x');
    const read = await store.read(`${prefix}/a`);
    await store.write(`${prefix}/a`, text('after!'));
    expect(read.toString()).toBe('before');
  });

  test('list gives what lies below a prefix, with sizes, in the order of keys', async () => {
    const { store, prefix } = await fresh();
    for (const key of ['b/2', 'b/10', 'a', 'c/d/e']) await store.write(`${prefix}/${key}`, text(key));
    expect(await store.list(`${prefix}/`)).toEqual(
      ['a', 'b/10', 'b/2', 'c/d/e'].map((key) => ({ uri: `${prefix}/${key}`, sizeBytes: key.length })),
    );
    expect((await store.list(`${prefix}/b`)).map(({ uri }) => uri.slice(prefix.length))).toEqual([
      '/b/10',
      '/b/2',
    ]);
    expect(await store.list(`${prefix}/none`)).toEqual([]);
  });

  test('what was removed is gone, and removing it again is no error', async () => {
    const { store, prefix } = await fresh();
    await store.write(`${prefix}/a`, text('a'));
    await store.remove(`${prefix}/a`);
    await expect(store.head(`${prefix}/a`)).rejects.toThrow(NotFound);
    await store.remove(`${prefix}/a`);
    expect(await store.list(`${prefix}/`)).toEqual([]);
    await store.write(`${prefix}/a`, text('b'));
    expect((await store.read(`${prefix}/a`)).toString()).toBe('b');
  });

  test('a file is uploaded, with its progress', async () => {
    const { store, prefix } = await fresh();
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, 'of a file');
    const progress: number[] = [];
    await store.upload(`${prefix}/a`, file, (bytes) => progress.push(bytes));
    expect((await store.read(`${prefix}/a`)).toString()).toBe('of a file');
    expect(progress.at(-1)).toBe(9);
  });

  test('chunks are uploaded as they come', async () => {
    const { store, prefix } = await fresh();
    async function* chunks() {
      yield text('in ');
      yield text('pieces');
    }
    await store.upload(`${prefix}/a`, chunks());
    expect((await store.read(`${prefix}/a`)).toString()).toBe('in pieces');
  });

  test('writes that work are checked, and nothing of that stays', async () => {
    const { store, prefix } = await fresh();
    await store.checkWrites(prefix);
    expect(await store.list(`${prefix}/`)).toEqual([]);
  });

  test('an object that is not there is NotFound, by name, for head and read', async () => {
    const { store, prefix } = await fresh();
    const calls = [
      store.head(`${prefix}/none`),
      store.read(`${prefix}/none`),
      store.read(`${prefix}/none`, { offset: 0, length: 1 }),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      const { reason } = outcome as PromiseRejectedResult;
      expect(reason).toBeInstanceOf(NotFound);
      expect(reason).toMatchObject({ what: 'object', message: `${prefix}/none: does not exist` });
    }
  });
}
