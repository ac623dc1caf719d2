import { Client, Connection } from '@temporalio/client';
import { temporalSettings } from '../../workers/temporal-settings.ts';
import { TASK_QUEUE } from '../await-workflow.ts';
import { type Finding, found } from './finding.ts';

/** A worker that lives asks for work at least once a minute. */
const LISTENED_WITHIN_MS = 90_000;

/** Temporal: whether it answers, has the namespace, lets us in, and whether a control worker listens. */
export async function checkTemporal(): Promise<Finding[]> {
  const { namespace, connection: settings } = temporalSettings();
  let connection: Connection | null = null;
  const server = await found('Temporal', 'server', async () => {
    connection = await Connection.connect({ ...settings, connectTimeout: '5s' });
    const { serverVersion } = await connection.workflowService.getSystemInfo({});
    return `${settings.address}, version ${serverVersion}`;
  });
  if (!connection)
    return [
      {
        ...server,
        detail: `no server answers at ${settings.address}: ${server.detail}`,
        remedy: 'check TEMPORAL_ADDRESS, TEMPORAL_API_KEY and the TEMPORAL_TLS_ variables',
      },
    ];
  try {
    return [server, ...(await checkNamespace(connection, namespace))];
  } finally {
    await (connection as Connection).close();
  }
}

async function checkNamespace(connection: Connection, namespace: string): Promise<Finding[]> {
  const client = new Client({ connection, namespace });
  const place = await found('Temporal', 'namespace', async () => {
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    const days = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) / 86_400;
    return `${namespace}, keeps finished runs for ${days.toFixed(days < 1 ? 1 : 0)} ${days === 1 ? 'day' : 'days'}`;
  });
  if (place.state === 'failed') return [place];
  const rights = await found('Temporal', 'list runs', async () => {
    const { count } = await client.workflow.count();
    return `${count} are known`;
  });
  const control = await found('Temporal', 'control worker', async () => {
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: TASK_QUEUE },
      taskQueueType: 1,
    });
    const living = (pollers ?? []).filter(
      ({ lastAccessTime }) => Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < LISTENED_WITHIN_MS,
    );
    if (living.length > 0)
      return `${living.map(({ identity }) => identity).join(', ')} on task queue ${TASK_QUEUE}`;
    return {
      state: 'failed',
      detail: `nobody listens on task queue ${TASK_QUEUE}: runs would wait`,
      remedy: 'start one: `npx tessera stack` here, or the Deployment of k8s/ in the cluster',
    };
  });
  return [place, rights, control];
}
