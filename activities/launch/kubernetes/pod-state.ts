import type { V1ContainerState, V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { Cause, WorkerState } from '../../../core/config/fleet.ts';
import { exitCause } from '../../../core/config/worker-exit.ts';
import { CONTAINER } from './job.ts';

/**
 * A pod as its run sees it: how far it is, and why it waits or how it went.
 *
 * A pod that is being deleted counts as gone: it takes no more shards, and its index waits for the end of it.
 */
export function workerState(pod: V1Pod): WorkerState {
  const { name, creationTimestamp, deletionTimestamp } = pod.metadata ?? {};
  const status = pod.status?.containerStatuses?.find(({ name }) => name === CONTAINER);
  const worker = {
    name: name ?? 'unnamed',
    ...(pod.spec?.nodeName ? { node: pod.spec.nodeName } : {}),
    ...(creationTimestamp ? { createdAtMs: millis(creationTimestamp) } : {}),
    ...startSeconds(pod),
    ...imageOf(status),
  };
  if (status?.state?.terminated || isOver(pod) || deletionTimestamp)
    return { ...worker, state: 'gone', cause: causeOfDeath(pod) };
  if (status?.state?.running) return { ...worker, state: status.ready ? 'running' : 'starting' };
  const cause = waitingCause(pod, status?.state?.waiting);
  if (cause) return { ...worker, state: 'waiting', cause };
  return { ...worker, state: pod.spec?.nodeName ? 'starting' : 'waiting' };
}

/** Whether a pod has ended: nothing of it runs, and nothing will. */
export function isOver({ status }: V1Pod): boolean {
  return status?.phase === 'Failed' || status?.phase === 'Succeeded';
}

/** By the kubelet's and the scheduler's own reasons, from the most to the least telling. */
export function causeOfDeath(pod: V1Pod): Cause {
  const { status, metadata } = pod;
  const disruption = status?.conditions?.find(
    ({ type, status }) => type === 'DisruptionTarget' && status === 'True',
  );
  const container = status?.containerStatuses?.find(({ name }) => name === CONTAINER);
  const terminated = container?.state?.terminated;
  if (terminated?.reason === 'OOMKilled') return { kind: 'out-of-memory', message: memoryMessage(pod) };
  if (disruption) {
    const message = disruption.message || disruption.reason || 'a disruption';
    return { kind: DISRUPTIONS[disruption.reason ?? ''] ?? 'evicted', message };
  }
  const byStatus = STATUS_REASONS[status?.reason ?? ''];
  if (byStatus) return { kind: byStatus, message: status?.message || status?.reason || byStatus };
  if (metadata?.deletionTimestamp) return { kind: 'deleted', message: 'the pod was deleted' };
  if (!terminated)
    return { kind: 'crashed', message: status?.message || 'the pod failed without a container' };
  return exitCause({ code: terminated.exitCode, words: terminated.message });
}

/** Of a pod's condition DisruptionTarget. */
const DISRUPTIONS: Record<string, Cause['kind']> = {
  PreemptionByScheduler: 'preempted',
  DeletionByTaintManager: 'node-lost',
  DeletionByPodGC: 'node-lost',
  EvictionByEvictionAPI: 'evicted',
  TerminationByKubelet: 'evicted',
};

/** Of a pod's own status. */
const STATUS_REASONS: Record<string, Cause['kind']> = {
  Evicted: 'evicted',
  Preempting: 'preempted',
  NodeLost: 'node-lost',
  NodeShutdown: 'node-lost',
  Terminated: 'node-lost',
  DeadlineExceeded: 'deadline-passed',
  OutOfcpu: 'evicted',
  OutOfmemory: 'evicted',
  'OutOfnvidia.com/gpu': 'evicted',
  UnexpectedAdmissionError: 'evicted',
  NodeAffinity: 'evicted',
};

function memoryMessage(pod: V1Pod): string {
  const limit = pod.spec?.containers.find(({ name }) => name === CONTAINER)?.resources?.limits?.memory;
  return `killed at its memory limit${limit ? ` of ${limit}` : ''}`;
}

const IMAGE_REASONS = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
]);
/** What no waiting mends, in the words of containerd, CRI-O and the registries. */
const IMAGE_IS_MISSING = /not found|not exist|unknown|denied|unauthorized|authentication required|invalid/i;

function waitingCause(pod: V1Pod, waiting: V1ContainerState['waiting']): Cause | null {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    const kind = scheduled.reason === 'SchedulingGated' ? 'queued' : 'unschedulable';
    return { kind, message: scheduled.message || scheduled.reason || 'not scheduled yet' };
  }
  const { reason = '', message = '' } = waiting ?? {};
  const words = message ? `${reason}: ${message}` : reason;
  if (reason === 'ErrImageNeverPull' || reason === 'InvalidImageName')
    return { kind: 'image-missing', message: words };
  if (IMAGE_REASONS.has(reason))
    return { kind: IMAGE_IS_MISSING.test(message) ? 'image-missing' : 'image-pull', message: words };
  if (reason === 'CreateContainerConfigError') return { kind: 'misconfigured', message: words };
  if (['CreateContainerError', 'RunContainerError'].includes(reason))
    return { kind: 'misconfigured', message: words };
  return null;
}

/** Container runtimes name it `registry/name@sha256:…` or `sha256:…`. */
function imageOf(status: V1ContainerStatus | undefined): Pick<WorkerState, 'image'> {
  const [image] = /sha256:[0-9a-f]{64}/.exec(status?.imageID ?? '') ?? [];
  return image ? { image } : {};
}

/** The API gives whole seconds. */
function startSeconds(pod: V1Pod): Pick<WorkerState, 'seconds'> {
  const created = pod.metadata?.creationTimestamp;
  const scheduled = pod.status?.conditions?.find(
    ({ type, status }) => type === 'PodScheduled' && status === 'True',
  )?.lastTransitionTime;
  const container = pod.status?.containerStatuses?.find(({ name }) => name === CONTAINER);
  const started = container?.state?.running?.startedAt ?? container?.state?.terminated?.startedAt;
  if (!created || !scheduled || !started) return {};
  return { seconds: { schedule: between(created, scheduled), pull: between(scheduled, started) } };
}

function between(from: Date, to: Date): number {
  return Math.max(0, (millis(to) - millis(from)) / 1000);
}

/** A watch gives times as text where a list gives dates. */
function millis(time: Date | string): number {
  return new Date(time).getTime();
}
