import os from 'node:os';
import { Runtime, Worker } from '@temporalio/worker';
import { fetchWeights } from '../activities/deliver/fetch-weights.ts';
import { s3Client, s3Store } from '../activities/deliver/s3-store.ts';
import { ShardEvaluator } from '../activities/evaluate/evaluate-shard.ts';
import { gpuActivities } from '../activities/gpu.ts';
import { cacheFolder, connect, namespace } from './environment.ts';

/** A GPU worker: serves one run's task queue, then goes. A pod runs this, and so does a laptop's process. */
Runtime.install({ shutdownSignals: ['SIGINT', 'SIGTERM'] });

const taskQueue = process.env.TESSERA_TASK_QUEUE;
if (!taskQueue)
  throw new Error('TESSERA_TASK_QUEUE is not set: it names the run whose shards this worker takes');
const store = s3Store(s3Client());
const connection = await connect();
const name = process.env.TESSERA_WORKER ?? os.hostname();
await using evaluator = new ShardEvaluator({
  store,
  worker: name,
  cacheFolder: cacheFolder(),
  fetch: (object, { model, signal }) => fetchWeights(store, cacheFolder(), object, model, { signal }),
  startSeconds: process.uptime(),
});
const worker = await Worker.create({
  connection,
  namespace: namespace(),
  taskQueue,
  identity: name,
  activities: gpuActivities(evaluator),
  // One shard at a time: its images fill the batches, and a lost worker costs one shard.
  maxConcurrentActivityTaskExecutions: 1,
  maxHeartbeatThrottleInterval: '1s',
  defaultHeartbeatThrottleInterval: '1s',
  shutdownGraceTime: '1s',
});
console.log(`worker ${name} ready`);
await worker.run();
await connection.close();
