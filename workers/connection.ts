import { accessSync, constants } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { BadInput, Unavailable } from '../core/config/failures.ts';

/** How Temporal is reached. */
export interface TemporalSettings {
  namespace: string;
  connection: ClientConnectConfig['connectionOptions'] & { address: string };
}

/** Variables of Temporal's that name files. */
const FILES = [
  'TEMPORAL_CONFIG_FILE',
  'TEMPORAL_TLS_CLIENT_CERT_PATH',
  'TEMPORAL_TLS_CLIENT_KEY_PATH',
  'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
];
/** A pod may be up before its Temporal is. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 2_000;

/**
 * How Temporal is reached, by Temporal's own standard variables (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY,
 * TEMPORAL_TLS_…); without them, a server on this machine. A profile in a file counts only where TEMPORAL_CONFIG_FILE
 * names it: a laptop's default profile must not send a demo elsewhere.
 *
 * @throws BadInput if a file can't be read, or a setting makes no sense
 */
export function temporalSettings(env: NodeJS.ProcessEnv = process.env): TemporalSettings {
  for (const name of FILES) if (env[name]) ensureReadable(name, env[name]);
  const has = (part: string) =>
    Boolean(env[`TEMPORAL_TLS_CLIENT_${part}_PATH`] ?? env[`TEMPORAL_TLS_CLIENT_${part}_DATA`]);
  if (has('CERT') !== has('KEY'))
    throw new BadInput(
      'TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH go together, but only one of them is set',
    );
  try {
    const { namespace, connectionOptions } = loadClientConnectConfig({
      disableFile: !env.TEMPORAL_CONFIG_FILE,
      overrideEnvVars: definedOnly(env),
    });
    return {
      namespace: namespace ?? 'default',
      connection: { ...connectionOptions, address: connectionOptions.address ?? '127.0.0.1:7233' },
    };
  } catch (cause) {
    throw new BadInput(`the TEMPORAL_ variables make no sense: ${messageOf(cause)}`, { cause });
  }
}

/**
 * A worker's connection; a server that isn't there yet is waited for.
 *
 * @throws BadInput if the settings can't be right, Unavailable if no server answers within `patienceMs`
 */
export async function connect(
  { connection }: TemporalSettings,
  { patienceMs = PATIENCE_MS, log = console.log }: { patienceMs?: number; log?: (line: string) => void } = {},
): Promise<NativeConnection> {
  const deadline = Date.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await NativeConnection.connect(connection);
    } catch (cause) {
      const sentence = `no Temporal server answers at ${connection.address} (TEMPORAL_ADDRESS): ${reason(cause)}`;
      if (isHopeless(cause)) throw new BadInput(sentence, { cause });
      if (Date.now() + PAUSE_MS > deadline) throw new Unavailable(sentence, { cause });
      if (attempt === 1) log(`${sentence}; trying again for ${Math.round(patienceMs / 1000)} s`);
      await sleep(PAUSE_MS);
    }
  }
}

/** A worker on a connection. @throws BadInput if the namespace doesn't exist, Unavailable if Temporal doesn't answer */
export async function createWorker(
  { namespace, connection }: TemporalSettings,
  options: Omit<WorkerOptions, 'namespace'>,
): Promise<Worker> {
  try {
    return await Worker.create({ ...options, namespace });
  } catch (cause) {
    const message = messageOf(cause);
    if (!message.startsWith('Namespace ')) throw cause;
    if (message.includes('code: NotFound'))
      throw new BadInput(
        `Temporal at ${connection.address} has no namespace ${namespace} (TEMPORAL_NAMESPACE)`,
        { cause },
      );
    throw new Unavailable(`Temporal at ${connection.address} refused the worker: ${reason(cause)}`, {
      cause,
    });
  }
}

/** Environment files and pods set variables to nothing to mean that they are not set. */
function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => Boolean(entry[1])),
  );
}

function ensureReadable(name: string, file: string): void {
  try {
    accessSync(file, constants.R_OK);
  } catch (cause) {
    throw new BadInput(`${name}: ${file} can't be read: ${messageOf(cause).split(',', 1)[0]}`, { cause });
  }
}

/** What another try doesn't mend: an address or a key that is none, credentials that are refused. */
function isHopeless(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    /ParseError|Unauthenticated|PermissionDenied|InvalidUri/.test(messageOf(error))
  );
}

/** The native client wraps the cause's own words in the names of its types. */
function reason(error: unknown): string {
  const message = messageOf(error);
  const quoted = [...message.matchAll(/"([^"]{4,})"/g)].at(-1)?.[1];
  return quoted ?? message.split('\n', 1)[0]!;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
