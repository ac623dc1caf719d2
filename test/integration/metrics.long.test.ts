import { readFile } from 'node:fs/promises';
import getPort from 'get-port';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SHORT, startTrainings, type Trainings } from './training.ts';

/* What Prometheus is served while runs are at work, and whether the dashboard asks for just that. */
let trainings: Trainings;
let ports: { control: number; worker: number };
const scraped = new Map<string, string>();

beforeAll(async () => {
  ports = { control: await getPort(), worker: await getPort() };
  process.env.TESSERA_METRICS_PORT = `${ports.control}`;
  process.env.TESSERA_LOCAL_METRICS_PORT = `${ports.worker}`;
  trainings = await startTrainings({ images: 24 });
});
afterAll(() => trainings[Symbol.asyncDispose]());

/** Asks a program for its metrics until it is gone; the last answer counts. */
async function scrape(name: string, port: number): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => null);
  if (answer?.ok) scraped.set(name, await answer.text());
}

async function whileScraped<T>(name: string, work: Promise<T>): Promise<T> {
  const timer = setInterval(() => void scrape(name, ports.worker), 50);
  return work.finally(() => clearInterval(timer));
}

/** The value of a sample with these labels, summed over the others. */
function value(name: string, metric: string, ...labels: string[]): number {
  return (scraped.get(name) ?? '')
    .split('\n')
    .filter(
      (line) => new RegExp(`^${metric}[{ ]`).test(line) && labels.every((label) => line.includes(label)),
    )
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

it('a worker counts images, shards, seconds by phase, bytes and the cache’s hits', async () => {
  const { tessera } = trainings;
  const overrides = ['run.workers=1', 'run.shards=12', 'run.batch=1'];
  const result = await whileScraped('eval', tessera.run('counted', tessera.input({ overrides })));
  expect(result.images).toBe(24);
  const shards = value('eval', 'tessera_shards_total', 'config="tiny"', 'outcome="done"');
  // The worker goes as soon as the run has its last result.
  expect(shards).toBeGreaterThan(0);
  expect(value('eval', 'tessera_images_total', 'config="tiny"')).toBe(2 * shards);
  expect(value('eval', 'tessera_shard_seconds_count')).toBe(shards);
  expect(value('eval', 'tessera_worker_phase_seconds_sum', 'phase="compute"')).toBeGreaterThan(0);
  expect(value('eval', 'tessera_image_work_seconds_sum', 'phase="decode"')).toBeGreaterThan(0);
  expect(value('eval', 'tessera_weights_total', 'from="store"')).toBeGreaterThan(0);
  expect(value('eval', 'tessera_weights_bytes_total')).toBeGreaterThan(1_000);
  expect(value('eval', 'tessera_store_bytes_total', 'direction="read"')).toBeGreaterThan(1_000);
});

it('a trainer counts steps and tells loss and learning rate', async () => {
  const overrides = [...SHORT, 'train.steps=30', 'train.evaluateEvery=30'];
  await whileScraped('train', trainings.run('trained', trainings.input({ overrides })));
  expect(value('train', 'tessera_training_steps_total', 'config="tiny"')).toBeGreaterThan(0);
  expect(value('train', 'tessera_training_loss')).toBeGreaterThan(0);
  expect(value('train', 'tessera_training_learning_rate')).toBeGreaterThan(0);
  expect(value('train', 'tessera_weights_total', 'from="cache"')).toBeGreaterThan(0);
});

it('the control worker counts runs by outcome and failures by class', async () => {
  const { tessera } = trainings;
  const handle = await tessera.start(
    'lost',
    tessera.input({ overrides: ['run.shards=12', 'run.batch=1', 'run.workers=1'] }),
  );
  let victims: number[] = [];
  while (victims.length === 0) {
    await new Promise((r) => setTimeout(r, 20));
    const { shards } = await handle
      .query<{ shards: { done: number } }>('progress')
      .catch(() => ({ shards: { done: 0 } }));
    if (shards.done > 0) victims = tessera.pids('workers/gpu');
  }
  process.kill(victims[0]!, 'SIGKILL');
  await handle.result();
  await expect(tessera.run('none', tessera.input({ dataset: 's3://tessera/none' }))).rejects.toThrow();
  await scrape('control', ports.control);
  expect(value('control', 'tessera_runs_total', 'type="EvalMIoU"', 'outcome="done"')).toBe(2);
  expect(value('control', 'tessera_runs_total', 'type="Train"', 'outcome="done"')).toBe(1);
  expect(value('control', 'tessera_runs_total', 'outcome="BadInput"')).toBe(1);
  expect(value('control', 'tessera_failures_total', 'class="WorkerLost"')).toBe(1);
  expect(value('control', 'tessera_workers_gone_total', 'cause="crashed"')).toBe(1);
  expect(value('control', 'tessera_run_seconds_count', 'type="EvalMIoU"')).toBe(3);
});

it('the dashboard asks for metrics that are served, and for every one of Tessera’s', async () => {
  const file = new URL('../../k8s/components/service-monitor/dashboard.json', import.meta.url);
  const dashboard = (await readFile(file, 'utf8')).matchAll(/\b(?:tessera|temporal)_[a-z_]+/g);
  // Kubernetes alone tells how long a pod took to start.
  const onKubernetes = ['tessera_worker_start_seconds_sum', 'tessera_worker_start_seconds_count'];
  const asked = new Set([...dashboard].map(([name]) => name).filter((name) => !onKubernetes.includes(name)));
  const text = [...scraped.values()].join('\n');
  const served = new Set(
    [...text.matchAll(/^((?:tessera|temporal)_[a-z_]+)[{ ]/gm)].map(([, name]) => name!),
  );
  expect([...asked].filter((name) => !served.has(name))).toEqual([]);
  const stem = (name: string) => name.replace(/_(sum|count|bucket)$/, '');
  const shown = new Set([...asked].map(stem));
  const own = new Set([...served].filter((name) => name.startsWith('tessera_')).map(stem));
  expect([...own].filter((name) => !shown.has(name))).toEqual([]);
  const table = await readFile(new URL('../../docs/observability.md', import.meta.url), 'utf8');
  const told = [...table.matchAll(/`(tessera_[a-z_]+)`/g)].map(([, name]) => name!);
  expect(told.filter((name) => !onKubernetes.some((other) => stem(other) === name)).sort()).toEqual(
    [...own].sort(),
  );
});
