import { z } from 'zod';
import type { Labels } from './labels.ts';

/**
 * Why a worker waits or went, and how a run reacts. One entry for each cause that an operator would handle
 * differently; `counts` says whether it speaks against the worker itself, so that too many of it end the run.
 */
export const CAUSES = {
  unschedulable: { reaction: 'wait', counts: false, means: 'no node has room for the pod' },
  queued: { reaction: 'wait', counts: false, means: 'the Job is suspended until it is admitted' },
  'quota-full': { reaction: 'wait', counts: false, means: 'the namespace’s quota is in use by others' },
  'image-pull': { reaction: 'wait', counts: false, means: 'the registry did not answer' },
  'api-away': { reaction: 'wait', counts: false, means: 'the Kubernetes API did not answer' },
  evicted: { reaction: 'replace', counts: false, means: 'evicted from its node' },
  preempted: { reaction: 'replace', counts: false, means: 'made way for a pod of higher priority' },
  'node-lost': { reaction: 'replace', counts: false, means: 'its node is gone or does not answer' },
  deleted: { reaction: 'replace', counts: false, means: 'somebody deleted the pod' },
  finished: { reaction: 'replace', counts: false, means: 'ended by itself: it saw the run closed' },
  stopped: { reaction: 'replace', counts: true, means: 'was told to stop by a signal' },
  crashed: { reaction: 'replace', counts: true, means: 'its program ended' },
  'out-of-memory': { reaction: 'smaller-batch', counts: false, means: 'killed at its memory limit' },
  'image-missing': { reaction: 'fail', counts: true, means: 'the image does not exist or may not be had' },
  misconfigured: { reaction: 'fail', counts: true, means: 'the pod’s own settings are wrong' },
  refused: { reaction: 'fail', counts: true, means: 'the cluster’s policy refuses the pod' },
  'quota-too-small': {
    reaction: 'fail',
    counts: true,
    means: 'the namespace’s quota can never hold the pod',
  },
  'job-failed': { reaction: 'fail', counts: true, means: 'the Job gave up replacing its pods' },
  'deadline-passed': { reaction: 'fail', counts: true, means: 'the Job’s deadline passed' },
} as const satisfies Record<
  string,
  { reaction: 'wait' | 'replace' | 'smaller-batch' | 'fail'; counts: boolean; means: string }
>;

export type CauseKind = keyof typeof CAUSES;

export const CauseSchema = z.strictObject({
  kind: z.enum(Object.keys(CAUSES) as [CauseKind, ...CauseKind[]]),
  /** In the words of who saw it: the scheduler, the kubelet, the API server. */
  message: z.string(),
});
export type Cause = z.infer<typeof CauseSchema>;

/** Workers of one run, whoever launches them. */
export interface FleetSpec {
  /** DNS label, unique for the run. */
  name: string;
  launcher: string;
  workflowId: string;
  runId: string;
  taskQueue: string;
  workers: number;
  device: 'cpu' | 'cuda';
  deadlineSeconds: number;
  /** `s3://` folder for the last lines of workers whose own files go with them. */
  logs: string;
  /** For what stands for the fleet in a cluster. */
  labels?: Labels;
}

/** A worker as its launcher sees it. */
export interface WorkerState {
  name: string;
  state: 'waiting' | 'starting' | 'running' | 'gone';
  node?: string;
  /** Digest of the image that it runs: `sha256:…`. */
  image?: string;
  /** Why it waits, or how it went. */
  cause?: Cause;
  /** What it said last, if it went. */
  lastLines?: string;
  /** Of a pod's start: seconds until it had a node, and from there until its program ran (pull included). */
  seconds?: { schedule: number; pull: number };
  /** By the launcher's clock. */
  createdAtMs?: number;
}

/** Everything that is known of a fleet. */
export interface FleetState {
  workers: WorkerState[];
  /** What keeps workers from coming at all. */
  trouble: Cause | null;
}

/** What has changed in a fleet since the last report. */
export interface FleetChange {
  /** Workers that are new or differ from the last report, in full. */
  workers: WorkerState[];
  /** As it is now, changed or not. */
  trouble: Cause | null;
}

/** `unschedulable: 0/2 nodes are available …` */
export function causeText({ kind, message }: Cause): string {
  return `${kind}: ${message}`;
}

/** What a failure says of a fleet that did not come up: each cause once, with how many workers it holds back. */
export function fleetText({ workers, trouble }: FleetState): string {
  const counts = new Map<string, number>();
  for (const { state, cause } of workers)
    if (cause && state !== 'running') {
      const text = `${state} (${causeText(cause)})`;
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
  const parts = [...counts].map(([text, count]) => `${count} ${count === 1 ? 'worker' : 'workers'} ${text}`);
  return [...(trouble ? [causeText(trouble)] : []), ...parts].join('; ');
}
