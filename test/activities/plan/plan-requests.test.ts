import { beforeAll, expect, test, vi } from 'vitest';
import { s3Store } from '../../../activities/deliver/s3-store.ts';
import { planTrain } from '../../../activities/plan/plan-train.ts';
import { stageWeights } from '../../../activities/stage/stage-weights.ts';
import { writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import type { S3Access } from '../../../infra/local/s3-server.ts';
import { randomTensors, stagedSet, tinyConfig } from '../../builders.ts';
import { BUCKET, clientOf, startOwnS3 } from '../deliver/own-s3.ts';
import { trainable } from '../train/training-run.ts';
import { plan } from './plan-of.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const HOOKS = { signal: new AbortController().signal, onProgress() {} };
/** As deep as InternViT-6B: 628 tensors. */
const DEPTH = 48;
const overrides = [`model.backbone.depth=${DEPTH}`, `model.backbone.taps=[${DEPTH - 1}]`];

let access: S3Access;
beforeAll(async () => {
  const server = await startOwnS3();
  access = server.access;
  return server.stop;
});

/** A backbone, a head and a dataset on a server, staged, and the requests that reach it from then on. */
async function stagedOnServer() {
  const { model } = tinyConfig(...overrides);
  const all = randomTensors(model);
  const set = await stagedSet({ model });
  const client = await clientOf(access);
  const store = s3Store(client);
  const weights = `s3://${BUCKET}/backbone.pth`;
  const head = `s3://${BUCKET}/head.pth`;
  const place = async (uri: string, isPart: (name: string) => boolean) => {
    const tensors = all.filter(({ name }) => isPart(name));
    await store.write(uri, writeTorchFile({ tensors }));
    await stageWeights(store, { source: uri, destination: uri }, HOOKS);
    return tensors.length;
  };
  const tensors = await place(weights, (name) => name.startsWith('backbone.'));
  await place(head, (name) => !name.startsWith('backbone.'));
  const dataset = `s3://${BUCKET}/data`;
  for (const [uri, bytes] of set.objects)
    if (uri.startsWith(`${set.input.dataset}/`))
      await store.write(uri.replace('s3://bucket', `s3://${BUCKET}`), bytes);
  const requests: string[] = [];
  client.middlewareStack.add(
    (next) => (args) => {
      const { method, path } = args.request as { method: string; path: string };
      requests.push(`${method} ${path}`);
      return next(args);
    },
    { step: 'finalizeRequest', name: 'countRequests' },
  );
  await store.write(
    `${dataset}/training.manifest.json`,
    Buffer.from(JSON.stringify({ ...set.manifest, split: 'training' })),
  );
  requests.length = 0;
  const input = { ...set.input, overrides, weights, dataset, output: `s3://${BUCKET}/runs` };
  return { store, input, head, tensors, requests };
}

/** Requests about anything but the dataset. */
function besideDataset(requests: string[]): string[] {
  return requests.filter((request) => !request.includes('/data/'));
}

test('an evaluation of a checkpoint of hundreds of tensors is planned with at most 10 requests', async () => {
  const { store, input, head, tensors, requests } = await stagedOnServer();
  expect(tensors).toBeGreaterThan(500);
  await plan(store, { ...input, head });
  console.log(`${tensors} tensors, ${besideDataset(requests).length} requests beside the dataset's`);
  expect(besideDataset(requests).length).toBeLessThanOrEqual(10);
  // Neither table of contents is read again.
  expect(requests.filter((request) => request.startsWith('GET') && /\.pth$/.test(request))).toEqual([]);
});

test('so is a training', async () => {
  const { store, input, requests } = await stagedOnServer();
  const context = { store, launcher: 'local', codeVersion: '0.1.0+abc', imageDigest: null };
  const { weights, dataset, output } = input;
  await planTrain(
    context,
    { config: trainable(), overrides, weights, dataset, output, allowOverlap: true },
    { workflowId: 'train-1', runId: 'run-1', taskQueue: 'tessera' },
  );
  expect(besideDataset(requests).length).toBeLessThanOrEqual(10);
});
