import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GetBucketVersioningCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { readRunningStack, type Stack, stackEnv, startStack } from '../../infra/local/stack.ts';
import {
  listeningAddresses,
  makeFolder,
  processesWith,
  startNode,
  temporaryFolder,
  until,
} from './observe.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const LOOPBACK = '0100007F'; // 127.0.0.1 in /proc/net/tcp
const HOLD = ['--import', 'tsx', fileURLToPath(new URL('./programs/hold-stack.ts', import.meta.url))];

/** The tests below use this one in turn; the last of them disposes of it. */
const shared = { stateDir: makeFolder(), stack: {} as Stack };
beforeAll(async () => {
  shared.stack = await startStack({ stateDir: shared.stateDir });
  return async () => {
    await shared.stack[Symbol.asyncDispose]();
    rmSync(shared.stateDir, { recursive: true });
  };
});

async function freshStack(options: Parameters<typeof startStack>[0]) {
  const stack = await startStack(options);
  onTestFinished(() => stack[Symbol.asyncDispose]());
  return stack;
}

test('a stack answers, and is found by others', async () => {
  const { stack, stateDir } = shared;
  const { [Symbol.asyncDispose]: _, ...addresses } = stack;
  expect(await readRunningStack(stateDir)).toEqual(addresses);
  expect((await fetch(stack.temporalUiUrl)).status).toBe(200);

  // The SDK takes everything from the environment, as a worker does.
  for (const [name, value] of Object.entries(stackEnv(stack))) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const s3 = new S3Client();
  const put = await s3.send(new PutObjectCommand({ Bucket: stack.bucket, Key: 'a/b.txt', Body: 'tile' }));
  expect(put.VersionId).toBeTruthy();
  const versioning = await s3.send(new GetBucketVersioningCommand({ Bucket: stack.bucket }));
  expect(versioning.Status).toBe('Enabled');
  s3.destroy();
});

test.skipIf(process.platform !== 'linux')('a stack listens on loopback only', () => {
  const addresses = listeningAddresses(processesWith(shared.stateDir));
  expect(addresses.length).toBeGreaterThanOrEqual(3); // gRPC, UI, S3, and what Temporal opens for itself
  expect(new Set(addresses)).toEqual(new Set([LOOPBACK]));
});

test.skipIf(process.platform !== 'linux')(
  'the Temporal server is started without its version reports',
  () => {
    const servers = processesWith(shared.stateDir).map((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8'));
    expect(servers.filter((env) => env.includes('TEMPORAL_VERSION_CHECK_DISABLED=1'))).not.toEqual([]);
  },
);

test('its secrets can be read by their owner only', () => {
  for (const file of ['credentials.json', 'stack.json']) {
    expect(statSync(join(shared.stateDir, file)).mode & 0o777).toBe(0o600);
  }
});

test('a second stack at once has credentials and ports of its own, the preferred ones where they are free', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await until('the port is taken', () => taken.listening);
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as { port: number };
  const second = await freshStack({
    stateDir: temporaryFolder(),
    preferredPorts: { temporal: 27_233, s3: port },
  });
  expect(second.temporalAddress).toBe('127.0.0.1:27233');
  const ports = [shared.stack, second].flatMap(({ temporalAddress, temporalUiUrl, s3 }) =>
    [`http://${temporalAddress}`, temporalUiUrl, s3.endpoint].map((url) => new URL(url).port),
  );
  expect(new Set([...ports, `${port}`]).size).toBe(7);
  expect(second.s3.secretAccessKey).not.toBe(shared.stack.s3.secretAccessKey);
});

test('a state folder holds one stack at a time', async () => {
  const { stateDir } = shared;
  await expect(startStack({ stateDir })).rejects.toThrow(
    `already runs in ${stateDir} (process ${process.pid})`,
  );
});

test('disposal leaves nothing but the data, which the next stack serves with the same credentials', async () => {
  const { stateDir, stack: first } = shared;
  await first[Symbol.asyncDispose]();
  expect(processesWith(stateDir)).toEqual([]);
  expect(await readRunningStack(stateDir)).toBeUndefined();
  expect(existsSync(join(stateDir, 'stack.json'))).toBe(false);
  expect(readFileSync(join(stateDir, 's3/tessera/a/b.txt'), 'utf8')).toBe('tile');
  const next = await freshStack({ stateDir });
  expect(next.s3.secretAccessKey).toBe(first.s3.secretAccessKey);
});

test('when the process that holds a stack is killed, its servers end and a new stack starts at once', async () => {
  const stateDir = temporaryFolder();
  const holder = startNode([...HOLD, stateDir]);
  await until('the stack starts', () => holder.output().includes('ready'));
  expect(await readRunningStack(stateDir)).toBeDefined();
  const before = processesWith(stateDir);
  expect(before.length).toBeGreaterThanOrEqual(5); // the holder, two servers, and what ties each to it
  holder.child.kill('SIGKILL');
  await holder.exited;
  await freshStack({ stateDir }); // no pause: it meets servers that are still ending
  expect(processesWith(stateDir).filter((pid) => before.includes(pid))).toEqual([]);
});

test('a server that dies at its start is told with the end of its log', async () => {
  const stateDir = temporaryFolder();
  writeFileSync(join(stateDir, 'temporal.db'), 'not a database, whatever its name says'.repeat(200));
  await expect(startStack({ stateDir })).rejects.toThrow(
    /Temporal server ended at its start[\s\S]*not a database/,
  );
  expect(processesWith(stateDir)).toEqual([]);
});
