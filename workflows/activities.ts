import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { ControlActivities } from '../activities/control.ts';
import type { GpuActivities } from '../activities/gpu.ts';
import type { FleetSpec } from '../core/config/fleet.ts';

/** Heartbeats come each second; ten lost ones mean that the worker is gone. */
const HEARTBEAT_TIMEOUT = '10s';

/** What may pass by itself is tried again for about a minute; the user's mistakes fail at once by their type. */
const CONTROL: ActivityOptions = {
  startToCloseTimeout: '10m',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: { initialInterval: '1s', maximumInterval: '20s', maximumAttempts: 8 },
};

export const control = proxyActivities<ControlActivities>(CONTROL);

/** A receiver of notices that is away is asked for half a minute or so: the run waits for it. */
export const notices = proxyActivities<ControlActivities>({
  ...CONTROL,
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '3m',
  retry: { initialInterval: '1s', maximumInterval: '20s', maximumAttempts: 6 },
});

/** A tracking server that is away: as for notices; a training's first report may be long. */
export const reports = proxyActivities<ControlActivities>({
  ...CONTROL,
  startToCloseTimeout: '2m',
  scheduleToCloseTimeout: '5m',
  retry: { initialInterval: '1s', maximumInterval: '20s', maximumAttempts: 6 },
});

/** Staging sends up to 12 GB and more over a laptop's line. */
export const stage = proxyActivities<ControlActivities>({ ...CONTROL, startToCloseTimeout: '12h' });

/** The fleet's keeper lives as long as the run; a control worker that fails is replaced by another one. */
export function fleetActivities({ deadlineSeconds }: FleetSpec) {
  return proxyActivities<ControlActivities>({
    ...CONTROL,
    startToCloseTimeout: (deadlineSeconds + 60) * 1000,
    // The run ends after its keeper has, so that the history closes in order.
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { ...CONTROL.retry, maximumAttempts: 100 },
  });
}

/** Shards go to the run's own task queue. One attempt each: which failure gets another is the workflow's table. */
export function shardActivities({ taskQueue, deadlineSeconds }: FleetSpec) {
  return proxyActivities<GpuActivities>({
    taskQueue,
    startToCloseTimeout: (deadlineSeconds + 60) * 1000,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    retry: { maximumAttempts: 1 },
  });
}

/** A training's parts go there, too, and end when they are cancelled: the last checkpoint of a cancelled run is waited for. */
export function trainActivities({ taskQueue, deadlineSeconds }: FleetSpec) {
  return proxyActivities<GpuActivities>({
    taskQueue,
    startToCloseTimeout: (deadlineSeconds + 60) * 1000,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { maximumAttempts: 1 },
  });
}
