import path from 'node:path';
import { Client } from '@temporalio/client';
import type { Worker } from '@temporalio/worker';
import { controlActivities } from '../activities/control.ts';
import { s3Client } from '../activities/deliver/s3-client.ts';
import { s3Store } from '../activities/deliver/s3-store.ts';
import { openHub } from '../activities/hub/hub.ts';
import { hubSettings } from '../activities/hub/hub-client.ts';
import type { Launcher } from '../activities/launch/launcher.ts';
import { localLauncher } from '../activities/launch/local.ts';
import { s3Copy } from '../activities/stage/s3-copy.ts';
import { spawnTied } from '../infra/local/processes.ts';
import { programArguments } from '../infra/local/program.ts';
import { connect, createWorker } from './connection.ts';
import { cacheFolder, codeVersion, stateFolder } from './environment.ts';
import { serveHealth } from './health.ts';
import { fleetMetrics } from './metrics.ts';
import { type Life, runProgram } from './program.ts';
import { installTelemetry, portOf } from './telemetry.ts';
import { temporalSettings } from './temporal-settings.ts';
import { openTracing } from './tracing.ts';
import { workflowBundle } from './workflow-bundle.ts';

/** The control worker: workflows, and the activities that need no GPU. One is enough, several are fine. */
async function main(life: Life): Promise<void> {
  const settings = temporalSettings();
  const { hasMetrics } = installTelemetry();
  let worker: Worker | null = null;
  const healthPort = portOf('TESSERA_HEALTH_PORT');
  if (healthPort) await serveHealth(healthPort, () => worker?.getState() ?? 'STARTING');
  const tracing = await openTracing('tessera-control');
  const connection = await connect(settings);
  const s3 = await s3Client();
  const store = s3Store(s3);
  const kind = process.env.TESSERA_LAUNCHER ?? 'local';
  // Kubernetes' client takes half a second of processor time to load.
  const kubernetes = kind === 'kubernetes' ? await import('./kubernetes.ts') : null;
  const cluster = kubernetes?.openCluster();
  const local = localLauncher({
    logFolder: path.join(stateFolder(), 'logs'),
    start: ({ env, log }) =>
      spawnTied(process.execPath, programArguments('workers/gpu'), { env, output: { file: log } }),
  });
  const launchers: Record<string, Launcher> = { local };
  if (kubernetes && cluster)
    launchers.kubernetes = kubernetes.kubernetesLauncher(cluster, store, settings.namespace);
  worker = await createWorker(settings, {
    connection,
    taskQueue: process.env.TESSERA_TASK_QUEUE ?? 'tessera',
    workflowBundle: await workflowBundle(tracing ? 'traced' : 'plain'),
    ...tracing?.workerOptions,
    activities: controlActivities({
      store,
      launcher: kind,
      launchers,
      scratchFolder: path.join(cacheFolder(), 'downloads'),
      hub: openHub(hubSettings(process.env)),
      hubFolder: path.join(cacheFolder(), 'hub'),
      copyObject: s3Copy(s3),
      codeVersion: codeVersion(),
      onFleetChange: hasMetrics ? fleetMetrics() : undefined,
      imageDigest: process.env.TESSERA_IMAGE_DIGEST ?? null,
    }),
    // Heartbeats carry cancellation: a second is soon enough, the default (a minute) is not.
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '1s',
  });
  console.log('control worker ready');
  const client = new Client({ connection, namespace: settings.namespace });
  const endSweep = kubernetes && cluster ? kubernetes.sweepLeftovers(cluster, client) : () => {};
  await life.serve(worker, async () => {
    endSweep();
    await tracing?.flush();
    await connection.close();
  });
}

await runProgram(main);
