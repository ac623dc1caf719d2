import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import getPort from 'get-port';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { reportRun } from '../../activities/mlflow/report-run.ts';
import type { TrackedRun } from '../../core/config/report.ts';
import { queryProgress } from '../../core/config/run-messages.ts';
import { eventFileUri } from '../../core/tensorboard/event-files.ts';
import { readLog } from '../../core/train/train-log.ts';
import { readEvents } from '../read-events.ts';
import { trackerPrograms } from '../tracker-python.ts';
import { ROOT } from './tessera.ts';
import { SHORT, startTrainings, type Trainings } from './training.ts';

/* Runs at a real MLflow server. */
let trainings: Trainings;
let bin: string | null;
let reason: string | null;
let uri: string;
let stop = async () => {};

beforeAll(async () => {
  ({ bin, reason } = await trackerPrograms('mlflow'));
  if (bin === null) return;
  const port = await getPort();
  uri = `http://127.0.0.1:${port}`;
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tessera-mlflow-'));
  const options = ['--host', '127.0.0.1', '--port', `${port}`, '--workers', '1'];
  const stores = [
    '--backend-store-uri',
    `sqlite:///${folder}/db`,
    '--default-artifact-root',
    `${folder}/artifacts`,
  ];
  const server = spawn(path.join(bin, 'mlflow'), ['server', ...options, ...stores], {
    env: {
      ...process.env,
      PATH: `${bin}:${process.env.PATH}`,
      MLFLOW_DISABLE_TELEMETRY: 'true',
      DO_NOT_TRACK: 'true',
    },
    stdio: 'ignore',
    detached: true,
  });
  stop = async () => {
    process.kill(-server.pid!, 'SIGKILL');
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  process.env.TESSERA_MLFLOW_TEST = uri;
  trainings = await startTrainings({ images: 12 });
  for (let i = 0; i < 1_200; i++) {
    const answer = await fetch(`${uri}/health`).catch(() => null);
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error('MLflow is not up after two minutes');
}, 600_000);
afterAll(async () => {
  await trainings?.[Symbol.asyncDispose]();
  await stop();
});
beforeEach(({ skip }) => skip(bin === null, reason ?? ''));

interface Run {
  info: { run_id: string; run_name: string; status: string };
  data: { params?: { key: string; value: string }[]; tags: { key: string; value: string }[] };
}

async function api<T>(call: string, body?: object): Promise<T> {
  const answer = await fetch(`${uri}/api/2.0/mlflow/${call}`, {
    headers: { 'content-type': 'application/json' },
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as T;
}

async function runsOf(experiment: string): Promise<Run[]> {
  const named = await api<{ experiment: { experiment_id: string } }>(
    `experiments/get-by-name?experiment_name=${experiment}`,
  );
  const { runs = [] } = await api<{ runs?: Run[] }>('runs/search', {
    experiment_ids: [named.experiment.experiment_id],
  });
  return runs;
}

async function history(run: Run, key: string): Promise<{ step: number; value: number }[]> {
  const at = `metrics/get-history?run_id=${run.info.run_id}&metric_key=${encodeURIComponent(key)}`;
  const { metrics = [] } = await api<{ metrics?: { step: number; value: number }[] }>(at);
  return metrics.map(({ step, value }) => ({ step, value }));
}

const tag = ({ data }: Run, name: string) => data.tags.find(({ key }) => key === name)?.value;
const named = (experiment: string) => [
  'run.report.mlflow.uriFrom.env=TESSERA_MLFLOW_TEST',
  `run.report.mlflow.experiment=${experiment}`,
];

it('a training that is cancelled and resumed is one run, with each step and evaluation once', async () => {
  const overrides = [
    ...SHORT,
    'train.steps=40',
    'train.evaluateEvery=10',
    'run.report.tensorboard=true',
    ...named('train'),
  ];
  const input = trainings.input({ overrides, labels: { team: 'vision' } });
  const first = await trainings.start('resumed', input);
  for (let step = 0; step < 15; await sleep(100))
    ({ step } = await queryProgress(first, 'Train').catch(() => ({ step: 0 })));
  await first.cancel();
  await expect(first.result()).rejects.toThrow();
  const [cancelled, ...others] = await runsOf('train');
  expect(others).toEqual([]);
  expect(cancelled!.info).toMatchObject({ status: 'KILLED', run_name: 'resumed' });

  await trainings.run('resumed', input);
  const runs = await runsOf('train');
  expect(runs.map(({ info }) => info)).toMatchObject([
    { run_id: cancelled!.info.run_id, status: 'FINISHED' },
  ]);
  const [run] = runs;
  const log = await readLog(trainings.tessera.session.store, `${ROOT}/runs/resumed`);
  const lines = log
    .filter(({ mode }) => mode === 'train')
    .map(({ iter, loss }) => ({ step: iter, value: loss }));
  expect(lines).toHaveLength(40);
  expect(await history(run!, 'train/loss')).toEqual(lines);
  expect((await history(run!, 'val/mIoU')).map(({ step }) => step)).toEqual([10, 20, 30, 40]);
  expect(await history(run!, 'best/mIoU')).toHaveLength(1);
  expect(run!.data.params).toContainEqual({ key: 'train.optimizer.type', value: 'adamw' });
  expect(tag(run!, 'tessera.label.team')).toBe('vision');
  expect(tag(run!, 'tessera.results')).toBe(`${ROOT}/runs/resumed/results.json`);
  expect(tag(run!, 'tessera.failure')).toBe('');
});

it('TensorBoard has the same training’s steps and evaluations, each once', async ({ skip }) => {
  const tensorboard = await trackerPrograms('tensorboard');
  skip(tensorboard.bin === null, tensorboard.reason ?? '');
  const { store } = trainings.tessera.session;
  const { tags } = readEvents(tensorboard.bin!, await store.read(eventFileUri(`${ROOT}/runs/resumed`)));
  expect(tags['train/loss']!.map(([step]) => step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  expect(tags['val/mIoU']!.map(([step]) => step)).toEqual([10, 20, 30, 40]);
});

it('an evaluation is one run with its metrics, however often it is told of', async () => {
  const { tessera } = trainings;
  const overrides = [...named('eval'), 'run.report.mlflow.runName=nightly', 'run.report.tensorboard=true'];
  const result = await tessera.run('told', tessera.input({ overrides }));
  const [run] = await runsOf('eval');
  expect(run!.info).toMatchObject({ run_name: 'nightly', status: 'FINISHED' });
  expect(await history(run!, 'val/mIoU')).toEqual([{ step: 0, value: result.mIoU }]);
  const { run: told, perClass } = await tessera.results('told');
  const wall = perClass.find(({ IoU }) => IoU !== null)!;
  expect(await history(run!, `val/IoU.${wall.name}`)).toEqual([{ step: 0, value: wall.IoU }]);

  const tracked: TrackedRun = {
    type: 'EvalMIoU',
    workflowId: 'told',
    runId: told.runId,
    startedAtMs: Date.parse(told.startedAt),
    prefix: `${ROOT}/runs/told`,
    codeVersion: told.codeVersion,
    config: told.config,
    state: 'done',
    atMs: Date.now(),
    resultsUri: result.resultsUri,
  };
  await reportRun(tessera.session.store, tracked, process.env);
  expect(await runsOf('eval')).toHaveLength(1);
  expect(await history(run!, 'val/mIoU')).toHaveLength(1);
  const tensorboard = await trackerPrograms('tensorboard');
  if (tensorboard.bin === null) return;
  const { tags } = readEvents(
    tensorboard.bin,
    await tessera.session.store.read(eventFileUri(tracked.prefix)),
  );
  expect(tags['val/mIoU']![0]![1]).toBeCloseTo(result.mIoU!, 6);
});

it('a run that fails is failed there, with its class', async () => {
  const { tessera } = trainings;
  const overrides = named('failed');
  const handle = await tessera.start('failing', tessera.input({ overrides, deadlineMinutes: 0.02 }));
  await expect(handle.result()).rejects.toThrow();
  const [run] = await runsOf('failed');
  expect(run!.info.status).toBe('FAILED');
  expect(tag(run!, 'tessera.failure')).toMatch(/^[A-Z][A-Za-z]+: ./);
});

it('a server that is away costs a run nothing but the time of asking again', async () => {
  const { tessera } = trainings;
  const overrides = [
    `run.report.mlflow.uri=http://127.0.0.1:${await getPort()}`,
    'run.report.mlflow.experiment=x',
  ];
  const { mIoU } = await tessera.run('unheard', tessera.input({ overrides }));
  expect((await tessera.results('unheard')).metrics.mIoU).toBe(mIoU);
  const { events } = await tessera.session.client.workflow.getHandle('unheard').fetchHistory();
  const failures = (events ?? []).flatMap(
    ({ activityTaskFailedEventAttributes: failed }) => failed?.failure ?? [],
  );
  expect(failures.map(({ cause, message }) => cause?.message ?? message)).toEqual([
    expect.stringMatching(/^run\.report\.mlflow: 127\.0\.0\.1:\d+ did not answer/),
  ]);
});
