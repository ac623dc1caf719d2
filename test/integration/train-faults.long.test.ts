import { readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { decode, encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatasetManifest } from '../../core/config/manifests.ts';
import type { TrainInput } from '../../core/config/train-run.ts';
import { readTrainResults } from '../../core/read-train-results.ts';
import { listCheckpoints } from '../../core/train/checkpoint-pointers.ts';
import { sampleAt } from '../../core/train/sample-order.ts';
import { startS3Server } from '../../infra/local/s3-server.ts';
import { sha256 } from '../builders.ts';
import { fillDisk, mountUntil } from '../infra/mount.ts';
import { makeFolder, until } from '../infra/observe.ts';
import { breakGpus } from './break-gpus.ts';
import { ROOT } from './runs.ts';
import { SHORT, startTrainings, type Trainings, untilTraining } from './training.ts';

/** Steps of half a second and more, each of which a test can tell from the next. */
const SLOW = [...SHORT, 'train.batch=16'];

let trainings: Trainings;
const gpus = breakGpus();
/** The workers' own disk: a small one, where this user may mount one. */
const scratch = makeFolder();
const unmount = mountUntil(scratch, '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs');
beforeAll(async () => {
  process.env.TESSERA_SCRATCH = scratch;
  trainings = await startTrainings({ images: 8 });
  await trainings.run('undisturbed', input());
});
afterAll(async () => {
  await trainings?.[Symbol.asyncDispose]();
  gpus.mend();
  delete process.env.TESSERA_SCRATCH;
  unmount?.();
  rmSync(scratch, { recursive: true });
});

const input = (changes: Partial<TrainInput> = {}) => trainings.input({ overrides: SLOW, ...changes });

it('a trainer that is killed at step 7 of 20 costs the steps since step 5, and changes no bit', async () => {
  const handle = await trainings.start('killed', input());
  const { step, workers } = await untilTraining(handle, ({ step }) => step >= 7);
  const [trainer] = Object.keys(workers);
  for (const pid of trainings.tessera.pids('workers/gpu', trainer)) process.kill(pid, 'SIGKILL');
  expect(step).toBe(7);
  await handle.result();
  expect(await trainings.outcome('killed')).toEqual(await trainings.outcome('undisturbed'));
  // Every step tells of itself when it is done: 8 was not, and 6 and 7 were done twice.
  expect(await toldSteps(handle)).toEqual([...from(1, 7), ...from(6, 20)]);
  const { segments, failures } = await readTrainResults(
    trainings.tessera.session.store,
    `${ROOT}/runs/killed/results.json`,
  );
  expect(failures.map((failure) => failure.class)).toEqual(['WorkerLost']);
  expect(segments.map(({ steps }) => steps)).toEqual([15]);
});

it('a trainer whose GPU fails ends, and another one takes the same steps from the last checkpoint', async () => {
  // What fails is the next features, which are computed eight steps ahead: of twenty steps all may be there.
  const long = input({ overrides: [...SLOW, 'train.steps=40', 'train.evaluateEvery=40'] });
  const handle = await trainings.start('gpu-failed', long);
  await untilTraining(handle, ({ step }) => step >= 7);
  gpus.breakOne();
  await handle.result();
  await trainings.run('gpu-not-failed', long);
  expect(await trainings.outcome('gpu-failed')).toEqual(await trainings.outcome('gpu-not-failed'));
  const { failures } = await readTrainResults(
    trainings.tessera.session.store,
    `${ROOT}/runs/gpu-failed/results.json`,
  );
  expect(failures.map((failure) => failure.class)).toEqual(['WorkerLost']);
  expect(failures[0]!.message).toMatch(/^train-\S+: the GPU failed: CUDA failure 719: /);
});

it('a label of no class ends a training by the name of its file, whichever worker comes upon it', async () => {
  const { dataset, annotation } = await datasetWithLabel('of-no-class', 151);
  const request = input({ dataset, overrides: [...SHORT, 'train.batch=2', 'run.workers=3'] });
  const { type, message } = await failureOf(await trainings.start('of-no-class', request));
  expect(type).toBe('BadData');
  expect(message).toContain(`${annotation}: label 151 at x=5, y=3; expected 0 to 150, or 255 to ignore`);
  expect(message).toMatch(/\((no checkpoint was written|the last good checkpoint is that of step 5: \S+)\)$/);
});

it.skipIf(!unmount)(
  'a disk that fills up ends a training by its folder, the need and the last good checkpoint, from which it goes on',
  async () => {
    const { store } = trainings.tessera.session;
    const folder = path.join(scratch, 'checkpoints');
    // Whoever was killed may have left something.
    const earlier = readdirSync(folder);
    const handle = await trainings.start('full-disk', input());
    await untilTraining(handle, ({ checkpoint }) => checkpoint !== null);
    const onTheirWay = () =>
      readdirSync(folder)
        .filter((writer) => !earlier.includes(writer))
        .flatMap((writer) => readdirSync(path.join(folder, writer)));
    await until('the checkpoint to have left the disk', () => onTheirWay().length === 0);
    const makeRoom = fillDisk(scratch);
    const { type, message } = await failureOf(handle);
    const checkpoints = await listCheckpoints(store, `${ROOT}/runs/full-disk/checkpoints`);
    const { step, uri } = checkpoints.at(-1)!;
    expect(type).toBe('Unavailable');
    expect(message).toMatch(
      new RegExp(
        `^${folder}: .* but a checkpoint needs \\d+\\.\\d kB: make room, or let TESSERA_SCRATCH name a folder on ` +
          `another disk \\(the last good checkpoint is that of step ${step}: ${uri}\\)$`,
      ),
    );
    expect(step).toBeLessThan(20);

    makeRoom();
    await trainings.run('full-disk', input());
    expect(await trainings.outcome('full-disk')).toEqual(await trainings.outcome('undisturbed'));
  },
);

describe('an outage of S3 in mid-training', () => {
  it('that passes changes no number', async () => {
    const handle = await trainings.start('outage', input());
    await untilTraining(handle, ({ step }) => step >= 4);
    killS3();
    await sleep(5_000);
    await using _server = await restartS3();
    await handle.result();
    expect(await trainings.outcome('outage')).toEqual(await trainings.outcome('undisturbed'));
  });

  it('that lasts ends the run by the last good checkpoint, from which it goes on later', async () => {
    await using _first = await restartS3();
    const handle = await trainings.start('lasting', input());
    await untilTraining(handle, ({ step, checkpoint }) => checkpoint?.step === 5 && step >= 7);
    killS3();
    const { type, message } = await failureOf(handle);
    expect(type).toBe('Unavailable');
    expect(message).toMatch(
      /S3 did not answer.* \(the last good checkpoint is that of step 5: .*iter_5\.json\)$/,
    );
    expect(trainings.tessera.pids('workers/gpu')).toEqual([]);

    await using _second = await restartS3();
    await trainings.run('lasting', input());
    expect(await trainings.outcome('lasting')).toEqual(await trainings.outcome('undisturbed'));
  });
});

/** How a run's failure reads. */
async function failureOf(handle: WorkflowHandle): Promise<{ type: string; message: string }> {
  const failure = await handle.result().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(WorkflowFailedError);
  return (failure as WorkflowFailedError).cause as Error & { type: string };
}

/** The steps that a run was told of, in order and by every attempt. */
async function toldSteps(handle: WorkflowHandle): Promise<number[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? [])
    .map((event) => event.workflowExecutionSignaledEventAttributes)
    .filter((signal) => signal?.signalName === 'trainingLog')
    .map((signal) => JSON.parse(Buffer.from(signal!.input!.payloads![0]!.data!).toString()).iter);
}

function from(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** The staged dataset under another name, with a pixel of one annotation that a training comes upon late. */
async function datasetWithLabel(
  name: string,
  label: number,
): Promise<{ dataset: string; annotation: string }> {
  const { store } = trainings.tessera.session;
  const { dataset: original } = input();
  const dataset = `${ROOT}/datasets/${name}`;
  for (const { uri } of await store.list(`${original}/`))
    await store.write(uri.replace(original, dataset), await store.read(uri));
  const manifestUri = `${dataset}/training.manifest.json`;
  const manifest: DatasetManifest = JSON.parse((await store.read(manifestUri)).toString());
  const order = { seed: 0, batch: 2, imageCount: manifest.images.length };
  const victim = manifest.images[sampleAt(order, 7, 1)]!.annotation!;
  const annotation = `${dataset}/${victim.key}`;
  const { width, height, data } = decode(await store.read(annotation));
  data[3 * width + 5] = label;
  const bytes = Buffer.from(encode({ width, height, data, channels: 1, depth: 8 }));
  await store.write(annotation, bytes);
  Object.assign(victim, { sizeBytes: bytes.length, sha256: sha256(bytes) });
  await store.write(manifestUri, Buffer.from(JSON.stringify(manifest)));
  return { dataset, annotation };
}

/** The local stack's S3 server dies, as it would with its machine. */
function killS3(): void {
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const command = commandOf(entry);
    if (command[0]?.includes('versitygw') && command.some((part) => part.startsWith(trainings.tessera.state)))
      process.kill(Number(entry), 'SIGKILL');
  }
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** The same server with the same objects, at the same place. */
async function restartS3() {
  const { AWS_ENDPOINT_URL_S3: endpoint = '', AWS_REGION: region = '' } = process.env;
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = process.env;
  killS3();
  const { hostname: host, port } = new URL(endpoint);
  const access = { endpoint, region, accessKeyId, secretAccessKey };
  return startS3Server({ stateDir: trainings.tessera.state, host, port: Number(port), access });
}
