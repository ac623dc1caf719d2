import { setTimeout as sleep } from 'node:timers/promises';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { BadInput, Unavailable } from '../core/config/failures.ts';
import type { TemporalSettings } from './temporal-settings.ts';

/** A pod may be up before its Temporal is. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 2_000;

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
