import type { V1ContainerStateTerminated, V1PodCondition } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { workerState } from '../../../../activities/launch/kubernetes/pod-state.ts';
import { at, pod } from './pods.ts';

const condition = (type: string, status: string, reason = '', message = ''): V1PodCondition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: at(4),
});
const ended = (state: Partial<V1ContainerStateTerminated>) => ({
  state: { terminated: { exitCode: 1, startedAt: at(10), ...state } },
});
const unscheduled = (reason: string, message: string) => {
  const waiting = pod({
    phase: 'Pending',
    conditions: [condition('PodScheduled', 'False', reason, message)],
  });
  delete waiting.spec!.nodeName;
  return waiting;
};
const pulling = (reason: string, message = '') =>
  pod({ phase: 'Pending' }, { state: { waiting: { reason, message } } });

test('a pod at work tells its node, and how long it took to come', () => {
  const running = pod(
    { phase: 'Running', conditions: [condition('PodScheduled', 'True')] },
    { ready: true, state: { running: { startedAt: at(19) } } },
  );
  expect(workerState(running)).toEqual({
    name: 'eval-r1-0-abcde',
    node: 'node-1',
    createdAtMs: at(0).getTime(),
    state: 'running',
    seconds: { schedule: 4, pull: 15 },
  });
  // A watch gives times as text.
  expect(workerState(JSON.parse(JSON.stringify(running)))).toEqual(workerState(running));
});

test('a container that runs but is not ready is starting; one without a node waits', () => {
  const starting = pod({ phase: 'Running' }, { state: { running: { startedAt: at(1) } } });
  expect(workerState(starting).state).toBe('starting');
  const fresh = pod({ phase: 'Pending' });
  expect(workerState(fresh).state).toBe('starting');
  delete fresh.spec!.nodeName;
  expect(workerState(fresh)).toMatchObject({ state: 'waiting' });
});

test.each([
  [unscheduled('Unschedulable', '0/2 nodes are available: 2 Insufficient nvidia.com/gpu.'), 'unschedulable'],
  [unscheduled('SchedulingGated', 'gated'), 'queued'],
  [pulling('ErrImagePull', 'failed to resolve reference "x:1": x:1: not found'), 'image-missing'],
  [pulling('ImagePullBackOff', 'Back-off pulling image "x:1": pull access denied'), 'image-missing'],
  [pulling('ErrImageNeverPull'), 'image-missing'],
  [pulling('InvalidImageName'), 'image-missing'],
  [pulling('ErrImagePull', 'dial tcp 10.0.0.9:443: i/o timeout'), 'image-pull'],
  [pulling('CreateContainerConfigError', 'secret "tessera-s3" not found'), 'misconfigured'],
])('a pod that can’t start waits, in the cluster’s words (%#)', (waiting, kind) => {
  expect(workerState(waiting)).toMatchObject({ state: 'waiting', cause: { kind } });
});

test('the scheduler’s words are quoted as they are', () => {
  const words = '0/2 nodes are available: 2 Insufficient nvidia.com/gpu.';
  expect(workerState(unscheduled('Unschedulable', words)).cause?.message).toBe(words);
});

test.each([
  [ended({ exitCode: 137, reason: 'OOMKilled' }), 'out-of-memory', 'killed at its memory limit of 1Gi'],
  [ended({ exitCode: 137 }), 'crashed', 'killed by SIGKILL (exit code 137)'],
  [ended({ exitCode: 143 }), 'stopped', 'SIGTERM (exit code 143)'],
  [ended({ exitCode: 134, message: 'assertion' }), 'crashed', 'exit code 134: assertion'],
  [ended({ exitCode: 64 }), 'misconfigured', 'exit code 64'],
  [ended({ exitCode: 0 }), 'finished', 'exit code 0'],
])('a container’s end is its pod’s cause of death (%#)', (worker, kind, message) => {
  expect(workerState(pod({ phase: 'Failed' }, worker))).toMatchObject({
    state: 'gone',
    cause: { kind, message },
  });
});

test.each([
  ['PreemptionByScheduler', 'preempted'],
  ['DeletionByTaintManager', 'node-lost'],
  ['DeletionByPodGC', 'node-lost'],
  ['EvictionByEvictionAPI', 'evicted'],
  ['TerminationByKubelet', 'evicted'],
])('a disruption is told before the exit code that it led to: %s', (reason, kind) => {
  const conditions = [condition('DisruptionTarget', 'True', reason, 'who did it')];
  const disrupted = pod({ phase: 'Failed', conditions }, ended({ exitCode: 143 }));
  expect(workerState(disrupted).cause).toEqual({ kind, message: 'who did it' });
});

test('a pod that is killed at its limit while it is evicted was out of memory', () => {
  const conditions = [condition('DisruptionTarget', 'True', 'TerminationByKubelet', 'memory')];
  const killed = pod({ phase: 'Failed', conditions }, ended({ exitCode: 137, reason: 'OOMKilled' }));
  expect(workerState(killed).cause?.kind).toBe('out-of-memory');
});

test('a pod that is being deleted is gone for its run, though its container still runs', () => {
  const deleted = pod({ phase: 'Running' }, { ready: true, state: { running: { startedAt: at(1) } } });
  deleted.metadata!.deletionTimestamp = at(100);
  expect(workerState(deleted)).toMatchObject({ state: 'gone', cause: { kind: 'deleted' } });
});

test('what the kubelet refuses or evicts says so in the pod’s status', () => {
  expect(workerState(pod({ phase: 'Failed', reason: 'Evicted', message: 'low on disk' })).cause).toEqual({
    kind: 'evicted',
    message: 'low on disk',
  });
  expect(workerState(pod({ phase: 'Failed', reason: 'DeadlineExceeded' })).cause?.kind).toBe(
    'deadline-passed',
  );
});
