import type { Client } from '@temporalio/client';
import { isRunOpen } from '../activities/is-run-open.ts';
import type { Cluster } from '../activities/launch/kubernetes/cluster.ts';
import { removeJob } from '../activities/launch/kubernetes/kubernetes.ts';
import { findLeftovers } from '../activities/launch/kubernetes/leftovers.ts';

const SWEEP_EVERY_MS = 5 * 60_000;

/**
 * Removes Jobs whose run is over, now and from time to time: those of runs that ended while no control worker was
 * there. The timer keeps no process alive.
 */
export function sweepLeftovers(cluster: Cluster, client: Client): () => void {
  async function sweep() {
    const found = await findLeftovers(cluster, {
      temporalNamespace: client.options.namespace,
      // One that its own run is about to remove may as well go now.
      olderThanSeconds: 0,
      isRunOpen: (run) => isRunOpen(client, run),
    });
    for (const { job, workflowId } of found) {
      await removeJob(cluster, job);
      console.log(`removed Job ${job}: its run ${workflowId} is over`);
    }
  }
  const safely = () =>
    sweep().catch((error) => console.error(`leftovers could not be looked for: ${error.message}`));
  safely();
  const timer = setInterval(safely, SWEEP_EVERY_MS).unref();
  return () => clearInterval(timer);
}
