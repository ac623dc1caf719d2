import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import getPort from 'get-port';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { ObjectPin, StreamingStore } from '../../../activities/deliver/ranged-read.ts';
import { s3Store } from '../../../activities/deliver/s3-store.ts';
import { BadData, BadInput, NotFound, Unavailable } from '../../../core/config/failures.ts';
import type { Store } from '../../../core/store.ts';
import type { S3Access } from '../../../infra/local/s3-server.ts';
import { sha256 } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { BUCKET, clientOf, HOST, startOwnS3 } from './own-s3.ts';
import { storeSuite } from './store-suite.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let access: S3Access;
beforeAll(async () => {
  const server = await startOwnS3();
  access = server.access;
  return server.stop;
});

async function openStore(changes: Partial<S3Access> = {}): Promise<StreamingStore> {
  return s3Store(await clientOf({ ...access, ...changes }));
}

describe('a store on S3', () => {
  storeSuite(async () => ({ store: await openStore(), bucket: BUCKET }));

  test('gives versions where the bucket keeps them', async () => {
    const store = await openStore();
    const versions = [];
    for (const body of ['a', 'b']) {
      await store.write(`s3://${BUCKET}/versioned`, Buffer.from(body));
      versions.push((await store.head(`s3://${BUCKET}/versioned`)).versionId);
    }
    expect(new Set(versions.filter(Boolean)).size).toBe(2);
  });

  test('streams a version or a state that is meant, and nothing else', async () => {
    const store = await openStore();
    const uri = `s3://${BUCKET}/pinned`;
    const range = { offset: 1, length: 3 };
    const stream = async (pin: ObjectPin) => text(await store.stream(uri, range, pin));
    await store.write(uri, Buffer.from('before'));
    const { etag, versionId } = await store.head(uri);
    expect(await stream({ etag })).toBe('efo');
    await store.write(uri, Buffer.from('after!'));
    await expect(stream({ etag })).rejects.toThrow(BadData);
    await expect(stream({ etag })).rejects.toThrow(`${uri}: was replaced while it was being fetched`);
    expect(await stream({ versionId: versionId! })).toBe('efo');
  });

  test('uploads a file of several parts as it is', async () => {
    const store = await openStore();
    const bytes = randomBytes(40 << 20);
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, bytes);
    await store.upload(`s3://${BUCKET}/big`, file);
    expect(await store.head(`s3://${BUCKET}/big`)).toMatchObject({ sizeBytes: bytes.length });
    expect(sha256(await store.read(`s3://${BUCKET}/big`))).toBe(sha256(bytes));
  });
});

/** What each of the store's calls on a place throws. */
async function failuresOf(store: Store, bucket: string): Promise<unknown[]> {
  const uri = `s3://${bucket}/key`;
  const outcomes = await Promise.allSettled([
    store.head(uri),
    store.read(uri),
    store.write(uri, Buffer.from('x')),
    store.writeOnce(uri, Buffer.from('x')),
    store.list(uri),
  ]);
  return outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : 'worked'));
}

test('a bucket that is not there is told from an object, whatever the call', async () => {
  for (const failure of await failuresOf(await openStore(), 'no-such-bucket')) {
    expect(failure).toBeInstanceOf(NotFound);
    expect(failure).toMatchObject({
      what: 'bucket',
      message: 's3://no-such-bucket: the bucket does not exist',
    });
  }
});

test.each([
  ['a wrong secret', { secretAccessKey: 'guess' }],
  ['an unknown key', { accessKeyId: 'NOBODY' }],
])('%s is BadInput that speaks of credentials, whatever the call', async (_, changes) => {
  for (const failure of await failuresOf(await openStore(changes), BUCKET)) {
    expect(failure).toBeInstanceOf(BadInput);
    expect(failure).not.toBeInstanceOf(NotFound);
    expect(failure).toMatchObject({ message: expect.stringContaining('access denied') });
  }
});

test('a server that is away is Unavailable, whatever the call', async () => {
  const port = await getPort({ host: HOST });
  for (const failure of await failuresOf(await openStore({ endpoint: `http://${HOST}:${port}` }), BUCKET)) {
    expect(failure).toBeInstanceOf(Unavailable);
    expect(failure).toMatchObject({ message: expect.stringContaining(`s3://${BUCKET}/key`) });
  }
});

test('a server that only answers with errors is Unavailable', async () => {
  const server = createServer((_, response) => response.writeHead(503).end());
  await new Promise<void>((listening) => server.listen(0, HOST, listening));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const store = await openStore({ endpoint: `http://${HOST}:${port}` });
  await expect(store.read(`s3://${BUCKET}/key`)).rejects.toThrow(Unavailable);
});

test('an address that is no S3 address is BadInput', async () => {
  await expect((await openStore()).read('/tmp/file')).rejects.toThrow('/tmp/file: expected s3://bucket/key');
});
