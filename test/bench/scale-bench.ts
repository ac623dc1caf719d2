import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { controlActivities } from '../../activities/control.ts';
import { s3Client } from '../../activities/deliver/s3-client.ts';
import { s3Store } from '../../activities/deliver/s3-store.ts';
import { openHub } from '../../activities/hub/hub.ts';
import { hubSettings } from '../../activities/hub/hub-client.ts';
import { type Cluster, openCluster } from '../../activities/launch/kubernetes/cluster.ts';
import { runSelector } from '../../activities/launch/kubernetes/job.ts';
import { kubernetesLauncher } from '../../activities/launch/kubernetes/kubernetes.ts';
import { loadVitConfig } from '../../activities/plan/load-config.ts';
import { stageWeights } from '../../activities/stage/stage-weights.ts';
import { type TensorToWrite, writeTorchFile } from '../../core/checkpoint/torch-writer.ts';
import type { ShardResult, ShardTask } from '../../core/config/eval.ts';
import type { DatasetManifest } from '../../core/config/manifests.ts';
import { classesOf } from '../../core/config/model-kinds.ts';
import { emptyMatrix } from '../../core/metric/confusion-matrix.ts';
import { encodeMatrix } from '../../core/metric/matrix-codec.ts';
import { modelSpecs } from '../../core/model/model-specs.ts';
import type { Store } from '../../core/store.ts';
import { type Stack, stackEnv } from '../../infra/local/stack.ts';
import { workflowBundle } from '../../workers/workflow-bundle.ts';

export interface ScaleOptions {
  stack: Stack;
  pods: number;
  shards: number;
  /** Of one shard on one pod. */
  shardSeconds: number;
  /** For what is made on the way. */
  folder: string;
  say(step: string): void;
}

export interface ScaleBench {
  /** From the workflow's start to its end, and what the pods alone would take if nobody managed them. */
  runSeconds: number;
  idealSeconds: number;
  /** Until every pod was there. */
  launchSeconds: number;
  history: { events: number; bytes: number };
  kubernetes: { requests: number; perMinute: number };
  /** Of this one process, which is the control worker: launcher, watcher and workflow, and the pretended pods' own. */
  cpuSeconds: number;
  peakRssMiB: number;
}

const IMAGES_PER_SHARD = 2;
/** Cells of a matrix that two images of ADE20K touch at the most. */
const CELLS = 900;

/**
 * What managing a large run costs: the real workflow, launcher and watch, against a real API server, Temporal and S3,
 * with pods of nodes that KWOK pretends. The pods' shards are answered from here, after the time that they would take.
 */
export async function benchScale(options: ScaleOptions): Promise<ScaleBench> {
  const { stack, pods, shards, shardSeconds, folder, say } = options;
  Object.assign(process.env, stackEnv(stack));
  Runtime.install({ logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} } });
  const store = s3Store(await s3Client());
  const dataset = await writeManifest(store, stack.bucket, shards * IMAGES_PER_SHARD);
  const weights = await stageModel(store, folder, stack.bucket);
  const cluster = openCluster();
  const connection = await NativeConnection.connect({ address: stack.temporalAddress });
  const control = await Worker.create({
    connection,
    taskQueue: 'scale',
    workflowBundle: await workflowBundle(),
    activities: controlActivities({
      store,
      launcher: 'kubernetes',
      launchers: { kubernetes: kubernetesLauncher(cluster, store, 'default') },
      scratchFolder: '/tmp',
      hubFolder: '/tmp',
      hub: openHub(hubSettings({})),
      copyObject: async () => null as never,
      codeVersion: 'bench',
      imageDigest: null,
    }),
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
  });
  const client = new Client({ connection: await Connection.connect({ address: stack.temporalAddress }) });
  const overrides = [`run.workers=${pods}`, `run.shards=${shards}`, 'run.overlays=0'];
  const input = { config: 'tiny', overrides, ...weights, dataset, output: `s3://${stack.bucket}/runs` };
  const controlling = control.run();
  const began = performance.now();
  const cpuBefore = process.cpuUsage();
  const workflowId = `scale-${pods}-${shards}-${Date.now()}`;
  const handle = await client.workflow.start('EvalMIoU', { taskQueue: 'scale', workflowId, args: [input] });
  const { runId } = await handle.describe();

  say(`${pods} pods: waiting for them`);
  await untilRunning(runSelector({ runId }), pods, cluster);
  const launchSeconds = (performance.now() - began) / 1000;
  const worker = await Worker.create({
    connection,
    taskQueue: `scale-${runId}`,
    identity: 'pretended-pods',
    activities: { evaluateShard: (task: ShardTask) => pretend(task, shardSeconds) },
    maxConcurrentActivityTaskExecutions: pods,
  });
  const working = worker.run();
  say(`${shards} shards on ${pods} pods`);
  await handle.result();
  const runSeconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const { historyLength, historySize = 0 } = await handle.describe();
  worker.shutdown();
  control.shutdown();
  await Promise.all([working, controlling]);
  await client.connection.close();
  await connection.close();
  return {
    runSeconds,
    idealSeconds: makespan(
      Array.from({ length: shards }, (_, shard) => secondsOf(shard, shardSeconds)),
      pods,
    ),
    launchSeconds,
    history: { events: historyLength, bytes: historySize },
    kubernetes: { requests: cluster.requests.count, perMinute: (cluster.requests.count * 60) / runSeconds },
    cpuSeconds: (user + system) / 1e6,
    peakRssMiB: process.resourceUsage().maxRSS / 1024,
  };
}

/** Weights of the tiny model: the plan reads their table of contents, and nobody runs them. */
async function stageModel(store: Store, folder: string, bucket: string) {
  const { model } = await loadVitConfig('tiny');
  const tensors = modelSpecs(model).map(({ name, shape }): TensorToWrite => {
    const data = new Uint8Array(4 * shape.reduce((product, dim) => product * dim, 1));
    return { name, dtype: 'float32', shape, data };
  });
  const file = path.join(folder, 'tiny.pth');
  await writeFile(file, writeTorchFile({ tensors, wrap: 'none' }));
  const weights = `s3://${bucket}/weights/tiny.pth`;
  const hooks = { signal: new AbortController().signal, onProgress() {} };
  await stageWeights(store, { source: file, destination: weights }, hooks);
  return { weights };
}

async function untilRunning(labelSelector: string, pods: number, cluster: Cluster): Promise<void> {
  for (;;) {
    const { items } = await cluster.core.listNamespacedPod({ namespace: cluster.namespace, labelSelector });
    if (items.filter(({ status }) => status?.phase === 'Running').length >= pods) return;
    await sleep(1_000);
  }
}

/** Within a quarter of the mean, as images differ; the same each time. */
function secondsOf(shard: number, mean: number): number {
  return mean * (0.75 + 0.5 * ((shard * 0.618034) % 1));
}

/** What the pods would take by themselves, if each took the next shard the moment that it is free. */
function makespan(seconds: number[], pods: number): number {
  const freeAt = new Array(pods).fill(0);
  for (const duration of seconds) {
    const next = freeAt.indexOf(Math.min(...freeAt));
    freeAt[next] += duration;
  }
  return Math.max(...freeAt);
}

/** A shard that takes its time, tells that it lives, and gives a result of a true one's size. */
async function pretend({ range, run }: ShardTask, mean: number): Promise<ShardResult> {
  const seconds = secondsOf(range.shard, mean);
  const context = Context.current();
  const beat = setInterval(
    () => context.heartbeat({ worker: 'pretended', imagesDone: 0, images: range.count }),
    3_000,
  );
  await sleep(seconds * 1000).finally(() => clearInterval(beat));
  const matrix = emptyMatrix(classesOf(run.config.model));
  for (let i = 0; i < CELLS; i++)
    matrix.counts[(i * 7_919 + range.shard * 31) % matrix.counts.length]! += 1 + i;
  const pixels = matrix.counts.reduce((sum, count) => sum + count, 0);
  const images = Array.from({ length: range.count }, (_, i) => ({
    id: imageId(range.first + i),
    predictionSha256: createHash('sha256')
      .update(`${range.first + i}`)
      .digest('hex'),
    labelledPixels: i === 0 ? pixels : 0,
  }));
  return {
    shard: range.shard,
    matrix: encodeMatrix(matrix),
    images,
    worker: `pretended-${range.shard % 200}`,
    attempt: 1,
    startedAtMs: Date.now() - seconds * 1000,
    seconds,
    phases: { start: 0, weightFetch: 0, graphBuild: 0, warmUp: 0, compute: seconds, idle: 0 },
    environment: {
      device: 'cpu',
      deviceName: 'pretended',
      driver: null,
      onnxRuntime: '–',
      node: '–',
      precision: 'float32',
    },
  };
}

const imageId = (index: number) => `image_${String(index).padStart(8, '0')}`;

/** A manifest without objects: nobody reads an image. */
async function writeManifest(store: Store, bucket: string, images: number): Promise<string> {
  const sha256 = createHash('sha256').update('').digest('hex');
  const file = (key: string) => ({ key, sizeBytes: 1, sha256 });
  const manifest: DatasetManifest = {
    version: 1,
    kind: 'dataset',
    name: 'pretended',
    split: 'validation',
    images: Array.from({ length: images }, (_, i) => ({
      id: imageId(i),
      width: 683,
      height: 512,
      image: file(`images/validation/${imageId(i)}.jpg`),
      annotation: file(`annotations/validation/${imageId(i)}.png`),
    })),
  };
  const dataset = `s3://${bucket}/datasets/pretended`;
  await store.write(`${dataset}/validation.manifest.json`, Buffer.from(JSON.stringify(manifest)));
  return dataset;
}
