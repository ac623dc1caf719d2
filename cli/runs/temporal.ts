import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { BadInput } from '../../core/config/failures.ts';
import { isAlive } from '../../infra/local/lock.mjs';
import { readStackRecord } from '../../infra/local/stack-state.ts';
import { stateFolder } from '../../workers/environment.ts';
import { temporalSettings } from '../../workers/temporal-settings.ts';

/** A Temporal to ask, and nothing else: what only looks at runs needs no S3 and starts no servers. */
export interface Temporal extends AsyncDisposable {
  client: Client;
  namespace: string;
  /** Of its web pages, where it is known. */
  uiUrl: string | null;
}

/**
 * The Temporal that TEMPORAL_ADDRESS (or TEMPORAL_CONFIG_FILE) names, else that of the local stack that runs.
 *
 * @throws BadInput if there is neither, or it does not answer
 */
export async function openTemporal(): Promise<Temporal> {
  let uiUrl = process.env.TESSERA_TEMPORAL_UI || null;
  let env = process.env;
  if (!process.env.TEMPORAL_ADDRESS && !process.env.TEMPORAL_CONFIG_FILE) {
    const record = await readStackRecord(stateFolder());
    if (!record || !isAlive(record.pid))
      throw new BadInput(
        `no local stack is up (${path.join(stateFolder(), 'stack.json')}), and TEMPORAL_ADDRESS is not set: start one ` +
          'with `tessera stack` (earlier runs are still in it), or set TEMPORAL_ADDRESS',
      );
    // A laptop's settings for another Temporal must not be mixed in.
    env = { TEMPORAL_ADDRESS: record.temporalAddress };
    uiUrl = record.temporalUiUrl;
  }
  const { namespace, connection: settings } = temporalSettings(env);
  try {
    const connection = await Connection.connect({ ...settings, connectTimeout: '3s' });
    return {
      client: new Client({ connection, namespace }),
      namespace,
      uiUrl,
      [Symbol.asyncDispose]: () => connection.close(),
    };
  } catch (cause) {
    throw new BadInput(`no Temporal server answers at ${settings.address} (TEMPORAL_ADDRESS)`, { cause });
  }
}

/** A run's page in Temporal's UI. */
export function runPage(
  { uiUrl, namespace }: Pick<Temporal, 'uiUrl' | 'namespace'>,
  workflowId: string,
): string | null {
  return uiUrl && `${uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(workflowId)}`;
}

/** What is asked beside the point: an answer that doesn't come in time is none. */
export async function soon<T>(client: Client, withinMs: number, ask: () => Promise<T>): Promise<T | null> {
  try {
    return await client.withDeadline(Date.now() + withinMs, ask);
  } catch {
    return null;
  }
}
