import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import getPort from 'get-port';
import pRetry from 'p-retry';
import { isAlive, tryLock } from './lock.mjs';
import type { TiedProcess } from './processes.ts';
import { ensureBucket, type S3Access, s3Answers, startS3Server } from './s3-server.ts';
import { PortTaken } from './server-process.ts';
import {
  readCredentials,
  readOrMakeCredentials,
  readStackRecord,
  removeStackRecord,
  type StackRecord,
  writeStackRecord,
} from './stack-state.ts';
import { startTemporalServer, temporalAnswers } from './temporal-server.ts';

/** Nothing of the local stack is to be reached from outside: its Temporal asks nobody for a password. */
const HOST = '127.0.0.1';
const NAMESPACE = 'default';
const BUCKET = 'tessera';
const REGION = 'us-east-1';
const PORTS = { temporal: 7233, temporalUi: 8233, s3: 7070 };
/** Above the grace that the servers of a killed stack have for ending. */
const LEFTOVERS_TIMEOUT_MS = 6_000;

/** Where the state of the local stack lies by default. */
const DEFAULT_STATE_DIR = fileURLToPath(new URL('../../.tessera', import.meta.url));

/** Where the servers of a running stack are. */
export interface StackAddresses {
  temporalAddress: string;
  temporalUiUrl: string;
  namespace: string;
  s3: S3Access;
  bucket: string;
}

export interface Stack extends StackAddresses, AsyncDisposable {}

export interface StackOptions {
  /** Holds the servers' data, credentials and logs. One stack at a time. */
  stateDir?: string;
  /** Taken where they are free; others otherwise. */
  preferredPorts?: Partial<typeof PORTS>;
  log?: (line: string) => void;
}

/**
 * Starts a Temporal and an S3 server on loopback, and gives them once both answer.
 *
 * They end with the stack's disposal, or with this process, however it ends.
 *
 * @throws Error if a stack already runs in this state folder, or with the end of a server's log if one exits
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { log = () => {} } = options;
  const stateDir = resolve(options.stateDir ?? DEFAULT_STATE_DIR);
  await mkdir(join(stateDir, 'logs'), { recursive: true });

  const release = await tryLock(join(stateDir, 'stack.lock'));
  if (!release) {
    const pid = (await readStackRecord(stateDir))?.pid;
    throw new Error(
      `A stack already runs in ${stateDir}${pid ? ` (process ${pid})` : ''}: use it, or stop it.`,
    );
  }

  const servers: TiedProcess[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= (async () => {
      await removeStackRecord(stateDir);
      await Promise.all(servers.map((server) => server.stop()));
      await release();
    })();
    return stopping;
  };

  try {
    await leftoversEnd(stateDir);
    const addresses = await startServers(stateDir, { ...PORTS, ...options.preferredPorts }, servers);
    await writeStackRecord(stateDir, toRecord(addresses, servers));
    for (const server of servers) {
      server.exited.then(({ code, signal }) => {
        if (!stopping)
          log(`A server of the stack ended (${signal ?? `exit code ${code}`}): see ${stateDir}/logs`);
      });
    }
    log(
      `Temporal on ${addresses.temporalAddress} (${addresses.temporalUiUrl}), S3 on ${addresses.s3.endpoint}`,
    );
    return { ...addresses, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Gives the stack that runs in a state folder, if one does and its servers answer. */
export async function readRunningStack(
  stateDir: string = DEFAULT_STATE_DIR,
): Promise<StackAddresses | undefined> {
  const record = await readStackRecord(stateDir);
  const credentials = await readCredentials(stateDir);
  if (!record || !credentials || !isAlive(record.pid)) return undefined;
  const { temporalAddress, temporalUiUrl, s3Endpoint: endpoint, region, bucket } = record;
  const s3 = { endpoint, region, ...credentials };
  const answers = await Promise.all([temporalAnswers(temporalAddress), s3Answers(s3)]);
  if (!answers.every(Boolean)) return undefined;
  return { temporalAddress, temporalUiUrl, namespace: NAMESPACE, s3, bucket };
}

/** The environment in which workers and the command line find this stack. */
export function stackEnv(stack: StackAddresses): Record<string, string> {
  return {
    TEMPORAL_ADDRESS: stack.temporalAddress,
    TEMPORAL_NAMESPACE: stack.namespace,
    AWS_ENDPOINT_URL_S3: stack.s3.endpoint,
    AWS_REGION: stack.s3.region,
    AWS_ACCESS_KEY_ID: stack.s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: stack.s3.secretAccessKey,
    TESSERA_BUCKET: stack.bucket,
  };
}

/** Starts both servers at once; each goes into `started` as soon as it runs, so that a failure can stop it. */
async function startServers(
  stateDir: string,
  preferred: typeof PORTS,
  started: TiedProcess[],
): Promise<StackAddresses> {
  const credentials = await readOrMakeCredentials(stateDir);
  const temporal = onFreePorts([preferred.temporal, preferred.temporalUi], async ([port = 0, uiPort = 0]) => {
    started.push(await startTemporalServer({ stateDir, host: HOST, port, uiPort }));
    return { temporalAddress: `${HOST}:${port}`, temporalUiUrl: `http://${HOST}:${uiPort}` };
  });
  const s3 = onFreePorts([preferred.s3], async ([port = 0]) => {
    const access = { endpoint: `http://${HOST}:${port}`, region: REGION, ...credentials };
    started.push(await startS3Server({ stateDir, host: HOST, port, access }));
    await ensureBucket(access, BUCKET);
    return access;
  });
  await Promise.allSettled([temporal, s3]); // A failure of one must not leave the other half started.
  return { ...(await temporal), s3: await s3, namespace: NAMESPACE, bucket: BUCKET };
}

/** Two stacks that start at once may choose the same ports; the loser takes any others. */
function onFreePorts<T>(preferred: number[], start: (ports: number[]) => Promise<T>): Promise<T> {
  return pRetry(
    async (attempt) => {
      const wishes = attempt === 1 ? preferred : preferred.map(() => 0);
      const ports: number[] = [];
      for (const port of wishes) ports.push(await getPort({ port, host: HOST }));
      return start(ports);
    },
    { retries: 3, minTimeout: 0, shouldRetry: ({ error }) => error instanceof PortTaken },
  );
}

/** The servers of a stack whose process was killed may still be writing: they end within their grace. */
async function leftoversEnd(stateDir: string): Promise<void> {
  const pids = (await readStackRecord(stateDir))?.serverPids ?? [];
  const deadline = Date.now() + LEFTOVERS_TIMEOUT_MS;
  while (pids.some(isAlive) && Date.now() < deadline) await sleep(50);
}

function toRecord({ s3, ...rest }: StackAddresses, servers: TiedProcess[]): StackRecord {
  const { temporalAddress, temporalUiUrl, bucket } = rest;
  const serverPids = servers.map(({ pid }) => pid);
  return {
    pid: process.pid,
    serverPids,
    temporalAddress,
    temporalUiUrl,
    bucket,
    s3Endpoint: s3.endpoint,
    region: s3.region,
  };
}
