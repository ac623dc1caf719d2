import { expect, test } from 'vitest';
import type { Cluster } from '../../../../activities/launch/kubernetes/cluster.ts';
import { podLogs } from '../../../../activities/launch/kubernetes/pod-logs.ts';
import { memoryStore } from '../../publish/memory-store.ts';

/** A cluster that answers the log of any pod with one text after the other. */
function clusterSaying(...texts: string[]): Cluster {
  const core = { readNamespacedPodLog: async () => texts.shift() ?? '' };
  return { core, namespace: 'tessera' } as unknown as Cluster;
}

test('a container that is removed already takes nothing of what was read before', async () => {
  const { store, text } = memoryStore();
  const gone = 'unable to retrieve container logs for containerd://42';
  const logs = podLogs(clusterSaying('begun\n', gone, ''), store, 's3://b/logs');
  expect(await logs.keep('pod-0')).toBe('begun');
  expect(await logs.keep('pod-0')).toBe('begun');
  expect(await logs.keep('pod-0')).toBe('begun');
  expect(text('s3://b/logs/pod-0.log')).toBe('begun\n');
});

test('a pod without a log costs nothing and stores nothing', async () => {
  const { store, writes } = memoryStore();
  expect(await podLogs(clusterSaying(''), store, 's3://b/logs').keep('pod-0')).toBeUndefined();
  expect(writes).toEqual([]);
});
