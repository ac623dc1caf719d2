import type { CoreV1Event, V1Job } from '@kubernetes/client-node';
import type { Cause } from '../../../core/config/fleet.ts';

/** A condition of the Job that its pods do not show: it failed, or it is not admitted yet. */
export function jobCondition(job: V1Job): Cause | null {
  const failed = job.status?.conditions?.find(({ type, status }) => type === 'Failed' && status === 'True');
  if (failed) {
    const message = `the Job failed: ${failed.message || failed.reason}`;
    return { kind: JOB_REASONS[failed.reason ?? ''] ?? 'job-failed', message };
  }
  if (job.spec?.suspend) return { kind: 'queued', message: 'the Job is suspended until it is admitted' };
  return null;
}

const JOB_REASONS: Record<string, Cause['kind']> = {
  DeadlineExceeded: 'deadline-passed',
  PodFailurePolicy: 'misconfigured',
};

/**
 * Why the Job's controller could not create a pod, by its last `FailedCreate` event.
 *
 * @param since creation time of the newest pod, ms since the epoch: earlier events are ignored
 */
export function creationFailure(events: CoreV1Event[], since: number): Cause | null {
  const latest = events
    .filter(({ reason }) => reason === 'FailedCreate')
    .map((event) => ({ at: timeOf(event), message: event.message ?? '' }))
    .filter(({ at }) => at >= since)
    .sort((a, b) => a.at - b.at)
    .at(-1);
  if (!latest) return null;
  const { message } = latest;
  if (message.includes('exceeded quota'))
    return { kind: canNeverFit(message) ? 'quota-too-small' : 'quota-full', message };
  if (/is forbidden|is invalid|denied the request/.test(message)) return { kind: 'refused', message };
  return { kind: 'api-away', message };
}

function timeOf({ series, lastTimestamp, eventTime, metadata }: CoreV1Event): number {
  const time = series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp;
  return time ? new Date(time).getTime() : 0;
}

/**
 * Whether a quota is smaller than one pod, so that waiting cannot help:
 * `requested: pods=1,requests.nvidia.com/gpu=4, used: …, limited: pods=9,…`.
 */
function canNeverFit(message: string): boolean {
  const part = (name: string) => {
    const list = new RegExp(`${name}: ([^ ]+=[^ ]+?)(?:, |$)`).exec(message)?.[1] ?? '';
    return new Map(list.split(',').map((item) => item.split('=') as [string, string]));
  };
  const limited = part('limited');
  return [...part('requested')].some(([resource, quantity]) => {
    const limit = limited.get(resource);
    return limit !== undefined && toNumber(quantity) > toNumber(limit);
  });
}

const SUFFIXES: Record<string, number> = {
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** A Kubernetes quantity: `500m`, `4`, `64Gi`. */
function toNumber(quantity: string): number {
  const [, digits = '', suffix = ''] = /^([0-9.]+)([A-Za-z]*)$/.exec(quantity) ?? [];
  return Number(digits) * (SUFFIXES[suffix] ?? 1);
}
