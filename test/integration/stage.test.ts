import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { s3Client } from '../../activities/deliver/s3-client.ts';
import { s3Store } from '../../activities/deliver/s3-store.ts';
import { type CopyObject, s3Copy } from '../../activities/stage/s3-copy.ts';
import { stageDataset } from '../../activities/stage/stage-dataset.ts';
import { stageWeights } from '../../activities/stage/stage-weights.ts';
import { Unavailable } from '../../core/config/failures.ts';
import type { Store } from '../../core/store.ts';
import { type Stack, stackEnv, startStack } from '../../infra/local/stack.ts';
import { fileServer } from '../activities/stage/file-server.ts';
import { zipOf } from '../activities/stage/hand-made-zip.ts';
import { annotationOf, jpegOf, randomCheckpoint, sha256, tinyConfig } from '../builders.ts';
import { makeFolder, temporaryFolder } from '../infra/observe.ts';

/** S3's smallest part. */
const PART_BYTES = 5 << 20;
/** Of two parts and a rest. */
const CHECKPOINT = randomCheckpoint(
  tinyConfig('model.backbone.embedDim=432', 'model.head.channels=432').model,
);
const SOURCE = 's3://theirs/a folder/back+bone & ü.pth';
const DESTINATION = 's3://tessera/models/backbone.pth';

let stack: Stack;
let client: S3Client;
let store: Store;
beforeAll(async () => {
  stack = await startStack({ stateDir: makeFolder() });
  Object.assign(process.env, stackEnv(stack));
  client = await s3Client();
  store = s3Store(client);
  await client.send(new CreateBucketCommand({ Bucket: 'theirs' }));
  const Key = SOURCE.slice('s3://theirs/'.length);
  await client.send(new PutObjectCommand({ Bucket: 'theirs', Key, Body: CHECKPOINT }));
});
afterAll(() => stack[Symbol.asyncDispose]());

const signal = new AbortController().signal;
const hooks = (copyObject: CopyObject) => ({
  signal,
  copyObject,
  scratchFolder: temporaryFolder(),
  backoffMs: 10,
  onProgress: () => {},
});

describe('a checkpoint in S3', () => {
  it.each([
    ['in one request', undefined],
    ['in parts', PART_BYTES],
  ])('is copied by the server %s, byte by byte, once', async (how, partBytes) => {
    expect(CHECKPOINT.length).toBeGreaterThan(2 * PART_BYTES);
    const destination = `${DESTINATION}-${how.replaceAll(' ', '-')}`;
    const copied: string[] = [];
    const copy = s3Copy(client, partBytes);
    const copyObject: CopyObject = async (from, to, hooks) => {
      copied.push(await copy(from, to, hooks));
      return 'copied';
    };
    const stage = () => stageWeights(store, { source: SOURCE, destination }, hooks(copyObject));
    const first = await stage();
    expect(first).toMatchObject({ uploadedFiles: 1, uploadedBytes: CHECKPOINT.length });
    expect((await store.read(destination)).equals(CHECKPOINT)).toBe(true);
    const manifest = JSON.parse((await store.read(first.manifestUri)).toString());
    expect(manifest.file.sha256).toBe(sha256(CHECKPOINT));
    expect(manifest.source.uri).toBe(SOURCE);

    expect(await stage()).toEqual({ ...first, uploadedFiles: 0, uploadedBytes: 0 });
    expect(copied).toEqual(['copied']);
  });

  it.each([
    ['in one request', undefined],
    ['in parts', PART_BYTES],
  ])(
    'that has changed since it was read is not copied %s, and no upload is left open',
    async (_, partBytes) => {
      const { sizeBytes } = await store.head(SOURCE);
      const from = { uri: SOURCE, etag: '"00000000000000000000000000000000"', sizeBytes };
      const copying = s3Copy(client, partBytes)(from, `${DESTINATION}-changed`, { signal, onBytes() {} });
      await expect(copying).rejects.toThrow(Unavailable);
      await expect(copying).rejects.toThrow('it changed meanwhile');
      await expect(store.head(`${DESTINATION}-changed`)).rejects.toThrow('does not exist');
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'tessera' }));
      expect(Uploads).toEqual([]);
    },
  );

  it('goes through the scratch folder if the server refuses to copy', async () => {
    const destination = `${DESTINATION}-refused`;
    const missing = { uri: 's3://tessera/nothing', etag: '"x"', sizeBytes: 1 };
    expect(await s3Copy(client)(missing, destination, { signal, onBytes() {} })).toBe('refused');
    await stageWeights(
      store,
      { source: SOURCE, destination },
      hooks(async () => 'refused'),
    );
    expect((await store.read(destination)).equals(CHECKPOINT)).toBe(true);
  });
});

it('a checkpoint behind a URL whose connection breaks lies in S3 as a whole', async () => {
  const { url, faults } = await fileServer(CHECKPOINT);
  faults.push(null, { dropAfter: CHECKPOINT.length >> 1 });
  const destination = `${DESTINATION}-from-url`;
  await stageWeights(store, { source: url, destination }, hooks(s3Copy(client)));
  expect((await store.read(destination)).equals(CHECKPOINT)).toBe(true);
});

it('a zipped dataset lies in S3 as its files, and is not sent twice', async () => {
  const source = join(temporaryFolder(), 'ade.zip');
  const files = [
    { name: 'ADE/images/validation/a b.jpg', data: await jpegOf(40, 30) },
    { name: 'ADE/annotations/validation/a b.png', data: annotationOf(40, 30), deflated: true },
  ];
  writeFileSync(source, zipOf(files));
  const { imageDir, annotationDir, imageSuffix, annotationSuffix } = tinyConfig().dataset;
  const layout = { imageDir, annotationDir, imageSuffix, annotationSuffix };
  const input = { source, destination: 's3://tessera/data', name: 'ADE20K', ...layout };
  const stage = () => stageDataset(store, input, { signal, onProgress() {} });
  expect(await stage()).toMatchObject({ uploadedFiles: 2 });
  for (const { name, data } of files)
    expect((await store.read(name.replace('ADE/', 's3://tessera/data/'))).equals(data)).toBe(true);
  expect(await stage()).toMatchObject({ uploadedFiles: 0, totalFiles: 2 });
});
