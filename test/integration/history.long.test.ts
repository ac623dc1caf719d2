import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ControlActivities } from '../../activities/control.ts';
import type { GpuActivities } from '../../activities/gpu.ts';
import { loadClasses, loadConfig } from '../../activities/plan/load-config.ts';
import type { EvalRun, ShardResult } from '../../core/config/eval.ts';
import { emptyMatrix, total } from '../../core/metric/confusion-matrix.ts';
import { encodeMatrix } from '../../core/metric/matrix-codec.ts';
import { cutShards } from '../../core/shard/cut-shards.ts';
import { type Stack, startStack } from '../../infra/local/stack.ts';
import { workflowBundle } from '../../workers/workflow-bundle.ts';

/** A real server and the real workflow; activities only answer, with results as big as ADE20K's would be. */
/** Cells of the matrix that four images of ADE20K touch at the most, as seen on its annotations. */
const CELLS = 1_500;

let state: string;
let stack: Stack;
beforeAll(async () => {
  Runtime.install({ logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} } });
  state = await mkdtemp(path.join(os.tmpdir(), 'tessera-history-'));
  stack = await startStack({ stateDir: state });
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  await rm(state, { recursive: true, force: true });
});

it.each([
  // ADE20K as its configs cut it, and the largest run that a config may ask for. (Temporal's own limits: 51,200; 50 MB.)
  { images: 2_000, shards: 500, workers: 8, events: 5_000, bytes: 12_500_000 },
  { images: 4_000, shards: 2_000, workers: 200, events: 12_500, bytes: 25_000_000 },
])('$images images in $shards shards stay far inside the limits of a history', async (size) => {
  const run = await plan(size);
  let published: unknown;
  const never = () => new Promise<never>(() => {});
  const activities: Partial<ControlActivities> = {
    planEval: async () => ({ kind: 'run', run }),
    keepFleet: never,
    tearDown: async () => {},
    publishResults: async (input) => {
      published = input;
      return {
        metrics: { mIoU: 1, mAcc: 1, aAcc: 1 },
        resultsUri: 's3://r',
        reportUri: 's3://h',
        status: 'written',
      };
    },
  };
  const gpu: Pick<GpuActivities, 'evaluateShard'> = {
    evaluateShard: async ({ range }) => shardResult(run, range),
  };
  const connection = await NativeConnection.connect({ address: stack.temporalAddress });
  const options = { connection, shutdownForceTime: '1s', shutdownGraceTime: '100ms' } as const;
  const control = await Worker.create({
    ...options,
    taskQueue: 'tessera',
    workflowBundle: await workflowBundle(),
    activities,
  });
  const worker = await Worker.create({ ...options, taskQueue: run.fleet.taskQueue, activities: gpu });
  const client = new Client({ connection: await Connection.connect({ address: stack.temporalAddress }) });
  const running = [control.run(), worker.run()].map((promise) => promise.catch(() => {}));
  try {
    const handle = await client.workflow.start('EvalMIoU', {
      taskQueue: 'tessera',
      workflowId: `big-${size.shards}`,
      args: [{}],
    });
    await handle.result();
    const { historyLength, historySize } = await handle.describe();
    expect(historyLength).toBeLessThan(size.events);
    expect(historySize).toBeLessThan(size.bytes);
    expect(published).toMatchObject({ coverage: { images: size.images } });
  } finally {
    control.shutdown();
    worker.shutdown();
    await Promise.all(running);
    await client.connection.close();
    await connection.close();
  }
});

async function plan({
  images,
  shards,
  workers,
}: Record<'images' | 'shards' | 'workers', number>): Promise<EvalRun> {
  const name = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';
  const object = {
    uri: 's3://bucket/some/where/intern_vit_6b_224px.pth',
    sha256: 'a'.repeat(64),
    sizeBytes: 12e9,
  };
  return {
    workflowId: 'big',
    runId: 'run',
    prefix: 's3://bucket/runs/big',
    codeVersion: 'test',
    imageDigest: null,
    config: await loadConfig(name),
    classes: await loadClasses('ade20k'),
    weights: object,
    head: object,
    dataset: { ...object, name: 'ADE20K', split: 'validation', images },
    ignoredKeys: [],
    imageIds: Array.from({ length: images }, (_, i) => `ADE_val_${String(i + 1).padStart(8, '0')}`),
    shards: cutShards(new Array(images).fill(2), shards),
    overlays: ['ADE_val_00000001', 'ADE_val_00001001'],
    labelIds: null,
    fleet: {
      name: 'eval-big',
      launcher: 'fake',
      workflowId: 'big',
      runId: 'run',
      taskQueue: 'tessera-big',
      workers,
      device: 'cuda',
      deadlineSeconds: 600,
      logs: 's3://bucket/runs/big/logs',
    },
    deadlineSeconds: 600,
  };
}

function shardResult(run: EvalRun, { shard, first, count }: EvalRun['shards'][number]): ShardResult {
  const matrix = emptyMatrix(150);
  for (let i = 0; i < CELLS; i++)
    matrix.counts[(i * 7_919 + shard * 31) % 22_500]! += 1 + ((i * 104_729) % 50_000);
  const labelledPixels = Math.floor(total(matrix) / count);
  const rest = total(matrix) - labelledPixels * (count - 1);
  return {
    shard,
    matrix: encodeMatrix(matrix),
    images: run.imageIds.slice(first, first + count).map((id, i) => ({
      id,
      predictionSha256: createHash('sha256').update(id).digest('hex'),
      labelledPixels: i === 0 ? rest : labelledPixels,
    })),
    worker: 'eval-00000000-0000-0000-0000-000000000000-7',
    attempt: 1,
    startedAtMs: Date.now(),
    seconds: 1,
    phases: { start: 0, weightFetch: 0, graphBuild: 0, warmUp: 0, compute: 1, idle: 0 },
    environment: {
      device: 'cuda',
      deviceName: 'GPU',
      driver: '1',
      onnxRuntime: '1',
      node: '20',
      precision: 'bfloat16',
    },
  };
}
