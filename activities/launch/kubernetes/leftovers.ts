import type { V1Job } from '@kubernetes/client-node';
import { ask, type Cluster } from './cluster.ts';
import { MANAGED_BY, NAMESPACE_ANNOTATION, RUN_LABEL, WORKFLOW_ANNOTATION } from './job.ts';

/** A Job whose run is over, or was never known. */
export interface Leftover {
  job: string;
  workflowId: string;
  runId: string;
  createdAt: Date;
  activePods: number;
}

export interface LeftoverOptions {
  /** Jobs of runs in other Temporal namespaces are another Tessera's. */
  temporalNamespace: string;
  /** A run that has just ended is about to remove its own. */
  olderThanSeconds: number;
  isRunOpen(run: { workflowId: string; runId: string }): Promise<boolean>;
}

/**
 * Jobs that have no living run.
 *
 * @throws Unavailable, BadInput
 */
export async function findLeftovers(cluster: Cluster, options: LeftoverOptions): Promise<Leftover[]> {
  const labelSelector = Object.entries(MANAGED_BY)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const { namespace, batch } = cluster;
  const { items } = await ask('list Jobs', batch.listNamespacedJob({ namespace, labelSelector }));
  const before = Date.now() - options.olderThanSeconds * 1000;
  const leftovers: Leftover[] = [];
  for (const job of items) {
    if (job.metadata?.annotations?.[NAMESPACE_ANNOTATION] !== options.temporalNamespace) continue;
    const leftover = asLeftover(job);
    if (leftover.createdAt.getTime() > before) continue;
    if (!(await options.isRunOpen(leftover))) leftovers.push(leftover);
  }
  return leftovers;
}

function asLeftover({ metadata, status }: V1Job): Leftover {
  return {
    job: metadata!.name!,
    workflowId: metadata!.annotations?.[WORKFLOW_ANNOTATION] ?? '',
    runId: metadata!.labels?.[RUN_LABEL] ?? '',
    createdAt: new Date(metadata!.creationTimestamp!),
    activePods: status?.active ?? 0,
  };
}
