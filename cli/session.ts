import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { Client, Connection } from '@temporalio/client';
import { s3Client } from '../activities/deliver/s3-client.ts';
import { s3Store } from '../activities/deliver/s3-store.ts';
import { BadInput } from '../core/config/failures.ts';
import type { Store } from '../core/store.ts';
import { spawnTied, type TiedProcess } from '../infra/local/processes.ts';
import { programArguments } from '../infra/local/program.ts';
import { readRunningStack, stackEnv, startStack } from '../infra/local/stack.ts';
import { PACKAGE, stateFolder } from '../workers/environment.ts';
import { temporalSettings } from '../workers/temporal-settings.ts';
import type { Terminal } from './terminal.ts';

/** Connections to Temporal and S3. A control worker serves them. */
export interface Session extends AsyncDisposable {
  client: Client;
  store: Store;
  bucket: string;
  temporalUiUrl: string | null;
}

const CONTROL_READY_MS = 60_000;

/**
 * Connects to the servers of a command: the Temporal of TEMPORAL_ADDRESS (or TEMPORAL_CONFIG_FILE), else the local
 * stack of `tessera stack`, else a stack that is started for this command and ends with it.
 */
export async function connectSession(terminal: Terminal): Promise<Session> {
  const servers = await findServers();
  if (servers !== 'none') {
    const running = servers === 'stack' ? await readRunningStack(stateFolder()) : undefined;
    return sessionWith(running?.temporalUiUrl ?? null, async () => {});
  }
  const stack = await startLocalStack(terminal);
  return sessionWith(stack.temporalUiUrl, async () => stack[Symbol.asyncDispose]());
}

/** Whether variables name servers, or a local stack runs; in that case this process is set up to use the stack. */
export async function findServers(): Promise<'named' | 'stack' | 'none'> {
  if (process.env.TEMPORAL_ADDRESS || process.env.TEMPORAL_CONFIG_FILE) return 'named';
  const running = await readRunningStack(stateFolder());
  if (!running) return 'none';
  useLocalServers(stackEnv(running));
  return 'stack';
}

/**
 * As `connectSession`, for runs that exist before or after the command: it starts no servers.
 *
 * @param otherwise what else a user may do without servers
 * @throws BadInput if there are none
 */
export async function openRunning(otherwise = ''): Promise<Session> {
  if ((await findServers()) !== 'none') return sessionWith(null, async () => {});
  throw new BadInput(
    `no local stack is up (${path.join(stateFolder(), 'stack.json')}), and TEMPORAL_ADDRESS is not set: start one ` +
      `with \`tessera stack\` (earlier runs are still in it), or set TEMPORAL_ADDRESS${otherwise}`,
  );
}

/** The S3 of the environment, or of the running local stack. */
export async function openStore(): Promise<{ store: Store; client: S3Client }> {
  await findServers();
  const client = await s3Client();
  return { store: s3Store(client), client };
}

async function sessionWith(temporalUiUrl: string | null, end: () => Promise<void>): Promise<Session> {
  const { namespace, connection: settings } = temporalSettings();
  const store = s3Store(await s3Client());
  try {
    const connection = await Connection.connect({ ...settings, connectTimeout: '5s' });
    return {
      client: new Client({ connection, namespace }),
      store,
      bucket: process.env.TESSERA_BUCKET ?? 'tessera',
      temporalUiUrl,
      async [Symbol.asyncDispose]() {
        await connection.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw new BadInput(`no Temporal server answers at ${settings.address} (TEMPORAL_ADDRESS)`, {
      cause: error,
    });
  }
}

/** Lets this process and its children work with servers of this machine, whatever Temporal it is used to. */
function useLocalServers(env: Record<string, string>): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('TEMPORAL_')) delete process.env[name];
  Object.assign(process.env, env);
}

export interface LocalStack extends AsyncDisposable {
  temporalUiUrl: string;
  /** Resolves when the control worker can no longer be kept alive. */
  failed: Promise<string>;
}

/** Both servers and a control worker, which is started again should it die. Sets this process's environment. */
export async function startLocalStack(terminal: Terminal): Promise<LocalStack> {
  const state = stateFolder();
  terminal.step('local stack: Temporal and S3 servers');
  const stack = await startStack({ stateDir: state, log: (line) => terminal.print(line) });
  useLocalServers(stackEnv(stack));
  terminal.step('local stack: control worker');
  const control = keepControlWorker(path.join(state, 'logs', 'control.log'));
  const end = async () => {
    await control.stop();
    await stack[Symbol.asyncDispose]();
  };
  try {
    await control.ready;
  } catch (error) {
    await end();
    throw error;
  }
  terminal.done(
    `local stack: Temporal ${stack.temporalAddress}, its UI ${stack.temporalUiUrl}, S3 ${stack.s3.endpoint}`,
  );
  return { temporalUiUrl: stack.temporalUiUrl, failed: control.failed, [Symbol.asyncDispose]: end };
}

/** Starts the control worker, and restarts it when it exits: its state is in Temporal. */
function keepControlWorker(log: string) {
  let worker: TiedProcess | null = null;
  let stopping = false;
  let fail: (reason: string) => void = () => {};
  const failed = new Promise<string>((resolve) => {
    fail = resolve;
  });
  const start = async (): Promise<TiedProcess> => {
    await mkdir(path.dirname(log), { recursive: true });
    const child = spawnTied(process.execPath, programArguments('workers/control'), {
      cwd: PACKAGE,
      output: { file: log },
    });
    worker = child;
    return child;
  };
  const keep = async (first: TiedProcess) => {
    let child = first;
    for (let deaths = 0; deaths < 10; deaths++) {
      await child.exited;
      if (stopping) return;
      await sleep(500);
      if (stopping) return;
      child = await start();
    }
    fail(`the control worker keeps dying; see ${log}`);
  };
  const ready = start().then(async (child) => {
    await isReady(child, log);
    keep(child);
  });
  return {
    ready,
    failed,
    async stop() {
      stopping = true;
      await worker?.stop();
    },
  };
}

async function isReady(child: TiedProcess, log: string): Promise<void> {
  const deadline = Date.now() + CONTROL_READY_MS;
  for (;;) {
    const text = await readFile(log, 'utf8').catch(() => '');
    if (text.includes('control worker ready')) return;
    const exited = await Promise.race([child.exited.then(() => true), sleep(100).then(() => false)]);
    if (exited || Date.now() > deadline)
      throw new BadInput(
        `the control worker did not start; its last lines (${log}):\n${text.split('\n').slice(-15).join('\n')}`,
      );
  }
}

/** Resolves at Ctrl-C or SIGTERM. */
export function interrupted(): Promise<NodeJS.Signals> {
  return Promise.race([
    once(process, 'SIGINT').then((): NodeJS.Signals => 'SIGINT'),
    once(process, 'SIGTERM').then((): NodeJS.Signals => 'SIGTERM'),
  ]);
}
