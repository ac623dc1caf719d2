import { expect, test } from 'vitest';
import type { Cluster } from '../../../activities/launch/kubernetes/cluster.ts';
import { podLogs } from '../../../activities/launch/kubernetes/pod-logs.ts';
import { isWorker, keptSources, podSources } from '../../../cli/runs/log-sources.ts';
import { memoryStore } from '../../activities/publish/memory-store.ts';

const POD = 'eval-01a22723-65ce-744e-ba03-e089864bff57-3-x7k2p';
const LOG =
  '2026-11-29T12:02:55.450123456Z shard 1 begun\n2026-11-29T12:02:56.1Z shard 1 done\nSegmentation fault\n';

/** A cluster with one pod, which says `LOG`, with times if it is asked for them. */
const cluster = {
  namespace: 'tessera',
  core: {
    listNamespacedPod: async () => ({ items: [{ metadata: { name: POD } }] }),
    readNamespacedPodLog: async ({ timestamps }: { timestamps?: boolean }) =>
      timestamps ? LOG : LOG.replaceAll(/^2026\S+ /gm, ''),
  },
} as unknown as Cluster;

const LINES = [
  { time: '2026-11-29T12:02:55.450123456Z', line: 'shard 1 begun' },
  { time: '2026-11-29T12:02:56.1Z', line: 'shard 1 done' },
  { time: null, line: 'Segmentation fault' },
];

test('a pod’s lines come with their times; a line without one stays as it is', async () => {
  const [source] = await podSources(cluster, ['run']);
  expect(source).toMatchObject({ worker: POD, from: 'pod' });
  expect(await source!.read()).toEqual(LINES);
});

test('what is kept in S3 of a pod that went is the same, and what a failure quotes of it has no times', async () => {
  const { store } = memoryStore();
  const quoted = await podLogs(cluster, store, 's3://b/runs/my-run/logs').keep(POD);
  expect(quoted).toBe('shard 1 begun\nshard 1 done\nSegmentation fault');
  const [source] = await keptSources(store, 's3://b/runs/my-run');
  expect(source).toMatchObject({ worker: POD, from: 's3' });
  expect(await source!.read()).toEqual(LINES);
});

test('a worker is meant by its number or its whole name', () => {
  expect(['3', '3-x7k2p', POD].every((name) => isWorker(POD, name))).toBe(true);
  expect(['4', '33', 'x7k2p'].some((name) => isWorker(POD, name))).toBe(false);
});
