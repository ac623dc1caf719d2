import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { s3Client } from '../../activities/deliver/s3-client.ts';
import { s3Store } from '../../activities/deliver/s3-store.ts';
import { stageDataset } from '../../activities/stage/stage-dataset.ts';
import { stageWeights } from '../../activities/stage/stage-weights.ts';
import type { EvalInput, Progress } from '../../core/config/eval.ts';
import type { Store } from '../../core/store.ts';
import type { TiedProcess } from '../../infra/local/processes.ts';
import { ensureBucket, type S3Access } from '../../infra/local/s3-server.ts';
import { startTemporalServer } from '../../infra/local/temporal-server.ts';
import { makeData, ROOT, type Runs, runsOf } from '../integration/runs.ts';
import { type TrainingRuns, trainingSet, trainingsOf } from '../integration/training.ts';
import { eventually, getJson, kubectl } from './kubectl.ts';

/** Where the rig's pods reach what runs beside the cluster. */
export const HOST = '10.99.0.1';
export const NAMESPACE = 'tessera';
export { ROOT };

const RIG = new URL('../../infra/local/kubernetes/', import.meta.url).pathname;
const OVERLAY = path.join(import.meta.dirname, 'overlay');
const S3_KEYS = { accessKeyId: 'test', secretAccessKey: 'test-of-the-cluster' };

/** Tessera on a cluster: applied as GitOps would, a Temporal beside it, a model and images staged. */
export interface ClusterTessera extends Runs, AsyncDisposable {
  client: Client;
  store: Store;
  trainings: TrainingRuns;
  s3: S3Access;
  /** Lines that a pod left behind in S3, by its name. */
  logs(workflowId: string): Promise<Map<string, string>>;
}

/** What is there of the runs' own: nothing, after each of them. */
export async function leftThere(): Promise<string[]> {
  const [jobs, pods] = await Promise.all([jobsOf(), podsOf()]);
  return [...jobs, ...pods].map(({ metadata }) => metadata!.name!);
}

const OURS = 'app.kubernetes.io/managed-by=tessera';

export async function jobsOf(): Promise<V1Job[]> {
  return (await getJson<{ items: V1Job[] }>('jobs', '-n', NAMESPACE, '-l', OURS)).items;
}

export async function podsOf(): Promise<V1Pod[]> {
  return (await getJson<{ items: V1Pod[] }>('pods', '-n', NAMESPACE, '-l', OURS)).items;
}

/** Pods that run, with the ids that a container runtime knows them by. */
export async function runningPods(): Promise<V1Pod[]> {
  return (await podsOf()).filter(
    ({ status, metadata }) => status?.phase === 'Running' && !metadata?.deletionTimestamp,
  );
}

export async function startClusterTessera({ images }: { images: number }): Promise<ClusterTessera> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tessera-cluster-'));
  await mkdir(path.join(folder, 'logs'));
  // Its own parts find each other on loopback, the pods find it on HOST: the rig's network is nobody else's.
  const temporal = await startTemporalServer({ stateDir: folder, host: '0.0.0.0', port: 7233, uiPort: 8233 });
  try {
    await applyTessera();
    const s3 = await findS3();
    await ensureBucket(s3, 'tessera');
    useS3(s3);
    const store = s3Store(await s3Client());
    const inputs = await stageData(store, folder, images);
    const connection = await Connection.connect({ address: `${HOST}:7233` });
    return clusterTessera(folder, temporal, connection, store, s3, inputs);
  } catch (error) {
    await temporal.stop();
    throw error;
  }
}

function clusterTessera(
  folder: string,
  temporal: TiedProcess,
  connection: Connection,
  store: Store,
  s3: S3Access,
  inputs: Pick<EvalInput, 'head' | 'dataset'> & { weights: string },
): ClusterTessera {
  const client = new Client({ connection });
  return {
    ...runsOf(client, store, inputs),
    client,
    store,
    trainings: trainingsOf(client, store),
    s3,
    async logs(workflowId) {
      const found = await store.list(`${ROOT}/runs/${workflowId}/logs/`);
      const texts = await Promise.all(
        found.map(
          async ({ uri }) => [path.basename(uri, '.log'), (await store.read(uri)).toString()] as const,
        ),
      );
      return new Map(texts);
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
      await temporal.stop();
      // Waited for: nothing can be made in a namespace that is going.
      await kubectl('delete', '-k', OVERLAY, '--ignore-not-found', '--timeout=120s');
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** As a GitOps controller would: kustomize, server-side apply, and wait for what it rolls out. */
async function applyTessera(): Promise<void> {
  await kubectl('apply', '--server-side', '-k', OVERLAY);
  for (const workload of ['deployment/tessera-control', 'statefulset/s3'])
    await kubectl('rollout', 'status', workload, '-n', NAMESPACE, '--timeout=120s');
}

async function findS3(): Promise<S3Access> {
  const address = await kubectl('get', 'service', 's3', '-n', NAMESPACE, '-o', 'jsonpath={.spec.clusterIP}');
  return { endpoint: `http://${address}:7070`, region: 'us-east-1', ...S3_KEYS };
}

function useS3({ endpoint, region, accessKeyId, secretAccessKey }: S3Access): void {
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  });
}

async function stageData(store: Store, folder: string, images: number) {
  const { inputs, weights, dataset } = await makeData(folder, images);
  const hooks = { signal: new AbortController().signal, onProgress() {} };
  for (const request of Object.values(weights)) await stageWeights(store, request, hooks);
  for (const split of [dataset, await trainingSet(folder)]) await stageDataset(store, split, hooks);
  return inputs;
}

/** Waits until a running workflow's progress looks as wanted. */
export function untilProgress<P = Progress>(
  handle: WorkflowHandle,
  what: string,
  isReached: (progress: P) => boolean,
  timeoutMs = 60_000,
): Promise<P> {
  return eventually(
    what,
    async () => {
      const progress = await handle.query<P>('progress');
      return isReached(progress) && progress;
    },
    { timeoutMs },
  );
}

/** One of the rig's own faults and repairs: `node.sh lose node-1`, `rig.sh kill apiserver`. */
export async function rig(script: 'node.sh' | 'rig.sh', ...args: string[]): Promise<void> {
  // Nothing is read from it: what it starts would hold the pipe open for ever.
  const child = spawn(path.join(RIG, script), args, { stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${script} ${args.join(' ')}: exit code ${code}`);
}

/** Why a test that breaks the cluster itself can't run, if it can't. */
export const noRig = process.env.TESSERA_RIG
  ? null
  : 'the cluster is not the rig: its nodes are not ours to kill';
