import os from 'node:os';
import path from 'node:path';
import { Client } from '@temporalio/client';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { fetchHubWeights } from '../activities/deliver/fetch-hub-weights.ts';
import { fetchOwnModel } from '../activities/deliver/fetch-own-model.ts';
import { fetchWeights } from '../activities/deliver/fetch-weights.ts';
import { openNodeCache } from '../activities/deliver/node-cache.ts';
import { s3Client } from '../activities/deliver/s3-client.ts';
import { s3Store } from '../activities/deliver/s3-store.ts';
import { ShardEvaluator } from '../activities/evaluate/evaluate-shard.ts';
import type { FetchOwnModel, FetchWeights } from '../activities/evaluate/model-slot.ts';
import { gpuActivities } from '../activities/gpu.ts';
import { openHub } from '../activities/hub/hub.ts';
import { hubSettings } from '../activities/hub/hub-client.ts';
import { isRunOpen, type RunName } from '../activities/is-run-open.ts';
import { trainingWork } from '../activities/train/training.ts';
import { BadInput, Unavailable, WorkerLost } from '../core/config/failures.ts';
import { isHubUri } from '../core/hub/hub-uri.ts';
import { connect, createWorker } from './connection.ts';
import { endWhenLost } from './end-when-lost.ts';
import { cacheFolder, scratchFolder } from './environment.ts';
import { serveHealth } from './health.ts';
import { logWithTimes } from './log-times.ts';
import { gpuMetrics } from './metrics.ts';
import { type Life, runProgram } from './program.ts';
import { watchRun } from './run-watch.ts';
import { logFetch, logShards, logTraining } from './shard-log.ts';
import { installTelemetry, portOf } from './telemetry.ts';
import { temporalSettings } from './temporal-settings.ts';
import { openTracing } from './tracing.ts';

/** Longer than that, and a look at the run counts as unanswered. */
const LOOK_WITHIN_MS = 10_000;

/** A GPU worker: serves one run's task queue, then goes. A pod runs this, and so does a laptop's process. */
async function main(life: Life): Promise<void> {
  const taskQueue = process.env.TESSERA_TASK_QUEUE;
  if (!taskQueue)
    throw new BadInput('TESSERA_TASK_QUEUE is not set: it names the run whose shards this worker takes');
  const name = process.env.TESSERA_WORKER || os.hostname();
  console.log(`worker ${name} starts, for ${taskQueue}`);
  const settings = temporalSettings();
  const { hasMetrics } = installTelemetry();
  const metrics = hasMetrics ? gpuMetrics() : null;
  let worker: Worker | null = null;
  const healthPort = portOf('TESSERA_HEALTH_PORT');
  if (healthPort) await serveHealth(healthPort, () => worker?.getState() ?? 'STARTING');
  const cache = await openNodeCache(cacheFolder(), process.env.TESSERA_CACHE_FALLBACK || null);
  if (cache.readOnly)
    console.log(`the cache ${cache.readOnly} can't be written to: what it lacks goes to ${cache.folder}`);

  const tracing = await openTracing('tessera-worker');
  const connection = await connect(settings);
  console.log(`connected to Temporal at ${settings.connection.address}, namespace ${settings.namespace}`);
  const s3 = s3Store(await s3Client());
  const store = metrics?.countedStore(s3) ?? s3;
  const hub = openHub(hubSettings(process.env));
  const fetch: FetchWeights = (object, { model, signal }) =>
    logFetch(
      object.uri,
      (onProgress) =>
        isHubUri(object.uri)
          ? fetchHubWeights(hub, cache.folder, object, model, {
              signal,
              onProgress,
              readOnly: cache.readOnly,
            })
          : fetchWeights(store, cache.folder, object, model, {
              signal,
              onProgress,
              readOnly: cache.readOnly,
            }),
      { onFetched: metrics?.onWeights },
    );
  const fetchOwn: FetchOwnModel = (object, files, { signal }) =>
    logFetch(
      object.uri,
      (onProgress) =>
        fetchOwnModel(store, cache.folder, object, files, { signal, onProgress, readOnly: cache.readOnly }),
      { onFetched: metrics?.onWeights },
    );
  const context = { store, worker: name, cacheFolder: cache.folder, fetch, fetchOwnModel: fetchOwn };
  const evaluator = new ShardEvaluator({
    ...context,
    ...(metrics ? { onTimings: metrics.onTimings } : {}),
    startSeconds: process.uptime(),
  });
  const training = trainingWork({ ...context, scratchFolder: path.join(scratchFolder(), 'checkpoints') });
  let lost: string | null = null;
  const onLost = (message: string) => {
    // After a stop signal the work under way fails as lost, too: then its threads end in order.
    if (worker?.getState() !== 'RUNNING') return;
    lost = message;
    worker.shutdown();
  };
  const measured = gpuActivities(evaluator, training, metrics?.onTrainRecord);
  const activities = tracing?.traced(measured) ?? measured;
  worker = await createWorker(settings, {
    connection,
    taskQueue,
    identity: name,
    ...tracing?.workerOptions,
    activities: logTraining(logShards(endWhenLost(metrics?.counted(activities) ?? activities, onLost))),
    // One part at a time: a shard's images fill the batches, and a lost worker costs one shard.
    maxConcurrentActivityTaskExecutions: 1,
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '1s',
  });
  console.log(`worker ${name} ready`);
  const run = ownRun();
  const watch = run ? watchOwnRun(worker, connection, settings.namespace, run) : null;
  await life.serve(worker, async () => {
    watch?.stop();
    const flushed = tracing?.flush();
    // A GPU that has failed may never answer whoever frees its memory.
    if (lost === null) await evaluator[Symbol.asyncDispose]();
    await flushed;
    await connection.close();
  });
  if (lost !== null) throw new WorkerLost(lost);
  if (watch?.isTemporalAway()) throw new Unavailable('Temporal has not answered for 10 minutes: gave up');
}

/** The run that this worker belongs to, if it was given one. */
function ownRun(): RunName | null {
  const { TESSERA_WORKFLOW_ID: workflowId, TESSERA_RUN_ID: runId } = process.env;
  return workflowId && runId ? { workflowId, runId } : null;
}

/** Shuts the worker down when its run is over, or Temporal doesn't answer any more. */
function watchOwnRun(worker: Worker, connection: NativeConnection, namespace: string, run: RunName) {
  const client = new Client({ connection, namespace });
  const stop = new AbortController();
  let isAway = false;
  const watching = watchRun(
    {
      isOpen: () => connection.withDeadline(Date.now() + LOOK_WITHIN_MS, () => isRunOpen(client, run)),
      onLeave(verdict) {
        isAway = verdict === 'temporal-away';
        if (!isAway) console.log(`run ${run.workflowId} (${run.runId}) is over: stopping`);
        if (worker.getState() === 'RUNNING') worker.shutdown();
      },
    },
    stop.signal,
  );
  watching.catch(console.error);
  return { stop: () => stop.abort(), isTemporalAway: () => isAway };
}

if (process.env.TESSERA_LOG_TIMES) logWithTimes();
await runProgram(main);
