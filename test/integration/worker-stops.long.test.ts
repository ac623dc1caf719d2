import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import getPort from 'get-port';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { programArguments } from '../../infra/local/program.ts';
import { startTessera, type Tessera, until } from './tessera.ts';

let tessera: Tessera;
const slow = ['run.shards=6', 'run.batch=1'];

beforeAll(async () => {
  tessera = await startTessera({ images: 36 });
});
afterAll(() => tessera[Symbol.asyncDispose]());

describe('a worker that is told to stop in mid-shard', () => {
  it('goes within 3 s by the signal, says so to the run, and changes no number', async () => {
    await tessera.run('undisturbed', tessera.input({ overrides: slow }));
    const handle = await tessera.start('worker-stopped', tessera.input({ overrides: slow }));
    await until(handle, ({ shards }) => shards.done > 0);
    const [victim] = tessera.pids('workers/gpu');
    const began = performance.now();
    process.kill(victim!, 'SIGTERM');
    while (tessera.pids('workers/gpu').includes(victim!)) await new Promise((r) => setTimeout(r, 20));
    expect(performance.now() - began).toBeLessThan(3_500);
    await handle.result();
    const [disturbed, undisturbed] = [
      await tessera.results('worker-stopped'),
      await tessera.results('undisturbed'),
    ];
    expect(disturbed.confusionMatrix.sha256).toBe(undisturbed.confusionMatrix.sha256);
    const failures = disturbed.shards.flatMap((shard) => shard.failures);
    // A shard that ended within its second of grace is no loss.
    expect(failures.length).toBeLessThanOrEqual(1);
    for (const failure of failures) {
      expect(failure.class).toBe('WorkerLost');
      expect(failure.message).toMatch(/^eval-\S+( was told to stop in mid-shard|: stopped: SIGTERM)$/);
    }
  });
});

describe('a worker whose run is over', () => {
  it('goes by itself, whoever was to end it: exit code 0, with health and metrics until then', async () => {
    const handle = await tessera.start('over', tessera.input({ overrides: slow }));
    await handle.result();
    const { runId } = await handle.describe();
    const [health, metrics] = [await getPort(), await getPort()];
    const worker = startWorker({
      TESSERA_TASK_QUEUE: 'nobody-s',
      TESSERA_WORKER: 'orphan',
      TESSERA_WORKFLOW_ID: 'over',
      TESSERA_RUN_ID: runId,
      TESSERA_HEALTH_PORT: `${health}`,
      TESSERA_METRICS_PORT: `${metrics}`,
    });
    const get = async (port: number, where: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${where}`).catch(() => null);
      return response ? `${response.status} ${await response.text()}` : 'nobody';
    };
    for (let i = 0; i < 200 && !(await get(health, '/readyz')).startsWith('200'); i++)
      await new Promise((r) => setTimeout(r, 50));
    expect(await get(health, '/livez')).toBe('200 ok\n');
    expect(await get(health, '/readyz')).toBe('200 RUNNING\n');
    expect(await get(metrics, '/metrics')).toMatch(/temporal_worker_start/);
    expect(await worker.exited).toBe('0');
    expect(worker.output()).toMatch(
      /worker orphan starts.*connected to Temporal.*worker orphan ready.*run over \(\S+\) is over: stopping/s,
    );
  });

  it('is not even begun in a namespace that does not exist: misconfigured, in one sentence', async () => {
    const worker = startWorker({ TESSERA_TASK_QUEUE: 'q', TEMPORAL_NAMESPACE: 'nowhere' });
    expect(await worker.exited).toBe('64');
    expect(worker.output()).toContain(
      `✗ Temporal at ${process.env.TEMPORAL_ADDRESS} has no namespace nowhere (TEMPORAL_NAMESPACE)\n`,
    );
  });

  it('leaves a log that a person can read', async () => {
    const log = await readFile(path.join(tessera.state, 'logs', 'control.log'), 'utf8');
    expect(log).toContain('control worker ready');
    const workers = await tessera.results('undisturbed');
    const name = workers.shards[0]!.worker;
    const told = await readFile(path.join(tessera.state, 'logs', `${name}.log`), 'utf8');
    expect(told).toMatch(/weights s3:\/\/tessera\/weights\/backbone\.pth: (in the cache|[\d.]+ MB in)/);
    expect(told).toMatch(/shard \d+ done: \d+ images in [\d.]+ s/);
  });
});

function startWorker(env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, programArguments('workers/gpu'), {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const exited = new Promise<string>((done) =>
    child.once('close', (code, signal) => done(signal ?? `${code}`)),
  );
  return { exited, output: () => output };
}
