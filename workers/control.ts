import path from 'node:path';
import { Runtime, Worker } from '@temporalio/worker';
import { controlActivities } from '../activities/control.ts';
import { s3Client, s3Store } from '../activities/deliver/s3-store.ts';
import { localLauncher } from '../activities/launch/local.ts';
import { s3Copy } from '../activities/stage/s3-copy.ts';
import { cacheFolder, codeVersion, connect, namespace, stateFolder } from './environment.ts';
import { workflowBundle } from './workflow-bundle.ts';

/** The control worker: workflows, and the activities that need no GPU. One is enough, several are fine. */
Runtime.install({ shutdownSignals: ['SIGINT', 'SIGTERM'] });

const connection = await connect();
const s3 = s3Client();
const worker = await Worker.create({
  connection,
  namespace: namespace(),
  taskQueue: process.env.TESSERA_TASK_QUEUE ?? 'tessera',
  workflowBundle: await workflowBundle(),
  activities: controlActivities({
    store: s3Store(s3),
    launcher: process.env.TESSERA_LAUNCHER ?? 'local',
    launchers: { local: localLauncher(path.join(stateFolder(), 'logs')) },
    scratchFolder: path.join(cacheFolder(), 'downloads'),
    copyObject: s3Copy(s3),
    codeVersion: codeVersion(),
    imageDigest: process.env.TESSERA_IMAGE_DIGEST ?? null,
  }),
  // Heartbeats carry cancellation: a second is soon enough, the default (a minute) is not.
  maxHeartbeatThrottleInterval: '1s',
  defaultHeartbeatThrottleInterval: '1s',
  shutdownGraceTime: '2s',
});
console.log('control worker ready');
await worker.run();
await connection.close();
