import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnTied, type TiedProcess } from './processes.ts';

/** A server is ready in under a second; a loaded machine with a cold disk may take much longer. */
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
const SHOWN_LOG_LINES = 15;

export interface ServerOptions {
  /** As messages call it: `Temporal server`. */
  title: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  logFile: string;
  /** Asks the server something real; throws or gives false while it doesn't answer. */
  isReady: (log: string) => Promise<boolean>;
}

/** Another process took the port between our choice and the server's start: another port will do. */
export class PortTaken extends Error {}

/**
 * Starts a server and waits until it answers.
 *
 * @throws PortTaken, or an Error with the end of the server's log if it exits or stays silent
 */
export async function startServer(options: ServerOptions): Promise<TiedProcess> {
  const { title, command, args, env, logFile, isReady } = options;
  const server = spawnTied(command, args, { env, output: { file: logFile } });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (server.child.exitCode !== null || server.child.signalCode !== null) break;
    const ready = await isReady(await readFile(logFile, 'utf8')).catch(() => false);
    if (ready) return server;
    await Promise.race([server.exited, sleep(POLL_MS)]);
  }

  const { code, signal } = await server.stop();
  const log = await readFile(logFile, 'utf8');
  if (log.includes('address already in use')) throw new PortTaken(`${title}: its port is taken`);
  const happened =
    Date.now() < deadline
      ? `ended at its start (${signal ?? `exit code ${code}`})`
      : `did not answer within ${START_TIMEOUT_MS / 1000} s`;
  const tail = log.trimEnd().split('\n').slice(-SHOWN_LOG_LINES).join('\n');
  throw new Error(`The ${title} ${happened}. The end of ${logFile}:\n${tail}`);
}

/** What a server needs of our environment. Not all of it: TEMPORAL_* and VGW_* would configure it. */
export function plainEnv(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR };
}
