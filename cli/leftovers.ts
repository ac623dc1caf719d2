import Table from 'cli-table3';
import { isRunOpen } from '../activities/is-run-open.ts';
import { openCluster } from '../activities/launch/kubernetes/cluster.ts';
import { removeJob } from '../activities/launch/kubernetes/kubernetes.ts';
import { findLeftovers, type Leftover } from '../activities/launch/kubernetes/leftovers.ts';
import type { Leftovers } from '../core/config/command-output.ts';
import { BadInput } from '../core/config/failures.ts';
import { connectSession } from './session.ts';
import { terminal } from './terminal.ts';

/** Lists a cluster's Jobs whose run is over, and removes them if asked to. */
export async function leftovers(options: {
  remove?: boolean;
  namespace?: string;
  olderThan: number;
  json?: true;
}): Promise<void> {
  if (!process.env.TEMPORAL_ADDRESS && !process.env.TEMPORAL_CONFIG_FILE)
    throw new BadInput('leftovers asks Temporal which runs still live: set TEMPORAL_ADDRESS');
  if (!Number.isFinite(options.olderThan)) throw new BadInput('--older-than: expected a number of seconds');
  if (options.namespace) process.env.TESSERA_NAMESPACE = options.namespace;
  const cluster = openCluster();
  await using session = await connectSession(terminal());
  const { client } = session;
  const found = await findLeftovers(cluster, {
    temporalNamespace: client.options.namespace,
    olderThanSeconds: options.olderThan,
    isRunOpen: (run) => isRunOpen(client, run),
  });
  if (options.json) {
    if (options.remove) for (const { job } of found) await removeJob(cluster, job);
    const list: Leftovers = found.map(({ job, workflowId, activePods, createdAt }) => ({
      job,
      workflowId,
      activePods,
      createdAt: createdAt.toISOString(),
      removed: options.remove ?? false,
    }));
    console.log(JSON.stringify(list, null, 2));
    return;
  }
  if (found.length === 0) {
    console.log(`nothing is left over in namespace ${cluster.namespace}`);
    return;
  }
  console.log(leftoversTable(found));
  if (!options.remove) {
    console.log('to remove them: tessera leftovers --remove');
    return;
  }
  for (const { job } of found) {
    await removeJob(cluster, job);
    console.log(`removed Job ${job}`);
  }
}

function leftoversTable(found: Leftover[]): string {
  const table = new Table({
    head: ['Job', 'workflow', 'active pods', 'since'],
    style: { head: [], border: [] },
  });
  for (const { job, workflowId, activePods, createdAt } of found)
    table.push([job, workflowId, activePods, createdAt.toISOString()]);
  return table.toString();
}
