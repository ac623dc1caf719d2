import type { Config } from '../../core/config/config.ts';
import type { FleetSpec } from '../../core/config/fleet.ts';
import type { Labels } from '../../core/config/labels.ts';
import { joinUri } from '../../core/store.ts';

/** A workflow's run, and the queue that it was started on. */
export interface WorkflowRun {
  workflowId: string;
  runId: string;
  taskQueue: string;
}

/** The workers of one run, on a task queue of its own. */
export function fleetSpec(
  kind: 'eval' | 'train',
  { workflowId, runId, taskQueue }: WorkflowRun,
  run: {
    launcher: string;
    config: Pick<Config, 'run'>;
    workers: number;
    deadlineSeconds: number;
    prefix: string;
    labels: Labels | undefined;
  },
): FleetSpec {
  return {
    name: `${kind}-${runId}`,
    launcher: run.launcher,
    workflowId,
    runId,
    taskQueue: `${taskQueue}-${runId}`,
    workers: run.workers,
    device: run.config.run.device,
    deadlineSeconds: run.deadlineSeconds,
    logs: joinUri(run.prefix, 'logs'),
    ...(run.labels ? { labels: run.labels } : {}),
  };
}
