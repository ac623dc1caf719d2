import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../../core/config/listing.ts';
import type { TiedProcess } from './processes.ts';
import { plainEnv, startServer } from './server-process.ts';
import { ensureServer } from './servers.mjs';

const ANSWER_TIMEOUT_MS = 2_000;
/** Temporal's `IndexedValueType`. */
const VALUE_TYPES: Record<string, number> = { Keyword: 2, Double: 4 };

export interface TemporalServerOptions {
  stateDir: string;
  host: string;
  port: number;
  uiPort: number;
  /** Registered in the namespace `default`, so that its list can be searched by them; Tessera's by default. */
  searchAttributes?: [name: string, type: string][];
}

/** Starts a Temporal development server whose state lies in `stateDir`. */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TiedProcess> {
  const { stateDir, host, port, uiPort, searchAttributes = Object.entries(SEARCH_ATTRIBUTES) } = options;
  const server = await startServer({
    title: 'Temporal server',
    command: await ensureServer('temporal'),
    args: [
      ...['server', 'start-dev', '--log-level', 'error', '--color', 'never'],
      ...['--ip', host, '--port', `${port}`, '--ui-ip', host, '--ui-port', `${uiPort}`],
      ...['--db-filename', join(stateDir, 'temporal.db')],
      ...searchAttributes.flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
      // One queue partition is plenty for one machine, and a task never waits in another one's queue.
      ...['--dynamic-config-value', 'matching.numTaskqueueReadPartitions=1'],
      ...['--dynamic-config-value', 'matching.numTaskqueueWritePartitions=1'],
      // Five times the activities per second. A crash of the machine may lose the last moments of a local run;
      // a crash of the server loses nothing.
      ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=OFF'],
    ],
    // Else it reports its version, database and platform to its maker.
    env: { ...plainEnv(), TEMPORAL_VERSION_CHECK_DISABLED: '1' },
    logFile: join(stateDir, 'logs/temporal.log'),
    // The banner comes once it listens. Without it, it might be another server on this port that answers.
    isReady: async (log) => /^Server: /m.test(log) && (await temporalAnswers(`${host}:${port}`)),
  });
  // The option for them does nothing for a database that is there already.
  await register(searchAttributes, `${host}:${port}`).catch(async (error) => {
    await server.stop();
    throw error;
  });
  return server;
}

/** Adds those that the namespace `default` lacks. */
async function register(wanted: [name: string, type: string][], address: string): Promise<void> {
  const connection = await connect(address);
  try {
    const namespace = 'default';
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = wanted.filter(([name]) => !(name in customAttributes));
    if (missing.length === 0) return;
    const searchAttributes = Object.fromEntries(missing.map(([name, type]) => [name, VALUE_TYPES[type]!]));
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  } finally {
    await connection.close();
  }
}

function connect(address: string): Promise<Connection> {
  return Connection.connect({
    address,
    connectTimeout: ANSWER_TIMEOUT_MS,
    channelArgs: { 'grpc.enable_http_proxy': 0 },
  });
}

/** Whether a Temporal server with the namespace `default` answers at this address. */
export async function temporalAnswers(address: string): Promise<boolean> {
  try {
    const connection = await connect(address);
    try {
      await connection.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, () =>
        connection.workflowService.describeNamespace({ namespace: 'default' }),
      );
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}
