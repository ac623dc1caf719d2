import { Context } from '@temporalio/activity';
import { Client, Connection, type WorkflowFailedError } from '@temporalio/client';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { asActivity } from '../../activities/as-activity.ts';
import type { ControlActivities } from '../../activities/control.ts';
import type { GpuActivities } from '../../activities/gpu.ts';
import type { TrainOutcome } from '../../activities/publish/publish-training.ts';
import { TypedFailure } from '../../core/config/failures.ts';
import type { SavedCheckpoint, TrainProgress, TrainRun } from '../../core/config/train-run.ts';
import { type Stack, startStack } from '../../infra/local/stack.ts';
import { workflowBundle } from '../../workers/workflow-bundle.ts';
import { trainable, trainRun } from '../activities/train/training-run.ts';
import { makeFolder } from '../infra/observe.ts';

/* The workflow alone, on a real Temporal: activities only say that they have done their part. */
let stack: Stack;
let connection: NativeConnection;
let client: Client;
beforeAll(async () => {
  Runtime.install({ logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} } });
  stack = await startStack({ stateDir: makeFolder() });
  connection = await NativeConnection.connect({ address: stack.temporalAddress });
  client = new Client({ connection: await Connection.connect({ address: stack.temporalAddress }) });
});
afterAll(async () => {
  await connection.close();
  await client.connection.close();
  await stack[Symbol.asyncDispose]();
});

const saved = (step: number): SavedCheckpoint => ({
  step,
  uri: `s3://bucket/runs/train-1/checkpoints/iter_${step}.json`,
  head: { uri: `s3://bucket/iter_${step}.pth`, sha256: '0'.repeat(64), sizeBytes: 1 },
});

interface Scene {
  run: TrainRun;
  gpu?: Partial<GpuActivities>;
}

/** Runs `TrainHead` with workers that pretend. */
async function play(workflowId: string, { run, gpu = {} }: Scene) {
  let outcome: TrainOutcome | undefined;
  const told: string[] = [];
  const signal = (name: string, news: object) =>
    Context.current().client.workflow.getHandle(workflowId).signal(name, news);
  const evaluation = {
    mIoU: 0.5,
    mAcc: 0.5,
    aAcc: 0.5,
    images: 8,
    resultsUri: 's3://r',
    reportUri: 's3://h',
  };
  const control: Partial<ControlActivities> = {
    planTrain: async () => ({ kind: 'run', run, checkpoint: null, evaluations: [] }),
    planEval: async () => ({ kind: 'finished', result: evaluation }),
    keepFleet: () => asActivity(({ signal: { aborted } }) => new Promise(() => aborted)),
    tearDown: async () => void told.push('torn down'),
    recordEvaluation: async () => {},
    publishTraining: async (given) => {
      outcome = given;
      const { best, last } = { best: given.evaluations[0]!, last: given.evaluations.at(-1)! };
      const uris = { head: 's3://h', logUri: 's3://l', resultsUri: 's3://r', reportUri: 's3://p' };
      return { steps: run.config.train.steps, best, last, ...uris };
    },
  };
  const work: Partial<GpuActivities> = {
    async trainSegment({ until, attempt }) {
      const ready = { attempt, worker: 'w0', address: '10.0.0.1:1', token: 'x'.repeat(64) };
      await signal('trainerReady', ready);
      await signal('checkpointSaved', saved(until));
      return { checkpoint: saved(until), worker: 'w0', steps: 1, seconds: 1, dataSeconds: 0 };
    },
    serveFeatures: async () => 'finished',
    ...gpu,
  };
  const options = { connection, shutdownForceTime: '1s', shutdownGraceTime: '100ms' } as const;
  const workers = [
    await Worker.create({
      ...options,
      taskQueue: 'tessera',
      workflowBundle: await workflowBundle(),
      activities: control,
      maxHeartbeatThrottleInterval: '1s',
    }),
    await Worker.create({
      ...options,
      taskQueue: run.fleet.taskQueue,
      activities: work,
      maxHeartbeatThrottleInterval: '1s',
    }),
  ];
  const running = workers.map((worker) => worker.run().catch(() => {}));
  try {
    const handle = await client.workflow.start('TrainHead', {
      ...{ taskQueue: 'tessera', workflowId },
      args: [{ config: 'x', weights: 's3://w', dataset: 's3://d', output: 's3://o' }],
    });
    const end = await handle.result().then(
      () => null,
      (error: WorkflowFailedError) => error.cause as Error & { type?: string },
    );
    const { historyLength, historySize } = await handle.describe();
    const progress = await handle.query<TrainProgress>('progress');
    return { end, historyLength, historySize, outcome, told, progress };
  } finally {
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
  }
}

it('40 segments with 8 workers, and all that they tell, stay far inside the limits of a history', async () => {
  const config = trainable('train.steps=40000', 'train.evaluateEvery=1000', 'run.workers=8');
  const run = trainRun({ config });
  const fleet = { ...run.fleet, workers: 8 };
  const classes = Array.from({ length: 150 }, (_, i) => ({
    name: `class ${i}`,
    color: [i, 0, 0] as [number, number, number],
  }));
  const full: TrainRun = { ...run, fleet, classes: { name: 'ade20k', classes } };
  const { end, historyLength, historySize, outcome } = await play('long', { run: full });
  expect(end).toBeNull();
  expect(outcome!.evaluations).toHaveLength(40);
  expect(outcome!.segments.map(({ until }) => until).at(-1)).toBe(40_000);
  // A whole training has twice as many; Temporal's own limits are 51,200 events and 50 MB.
  expect(historyLength).toBeLessThan(3_000);
  expect(historySize).toBeLessThan(3_000_000);
});

it('a training that is lost over and over goes on as long as each attempt gets further', async () => {
  let attempts = 0;
  const run = trainRun({ config: trainable('train.evaluateEvery=20') });
  const { end, outcome } = await play('further', {
    run,
    gpu: {
      async trainSegment({ until }) {
        attempts++;
        const handle = Context.current().client.workflow.getHandle('further');
        await handle.signal('checkpointSaved', saved(attempts));
        if (attempts <= 8) return lost();
        return { checkpoint: saved(until), worker: 'w0', steps: 12, seconds: 1, dataSeconds: 0 };
      },
    },
  });
  expect(end).toBeNull();
  expect(attempts).toBe(9);
  expect(outcome!.failures).toHaveLength(8);
});

it('a training that is lost in one place over and over ends, and names the last good checkpoint', async () => {
  let attempts = 0;
  const run = trainRun({ config: trainable() });
  const { end, told, progress } = await play('in-place', {
    run,
    gpu: {
      trainSegment: async () => {
        attempts++;
        return lost();
      },
    },
  });
  expect(attempts).toBe(6);
  expect(end).toMatchObject({
    type: 'Unavailable',
    message: 's3://bucket: did not answer (no checkpoint was written)',
  });
  expect(told).toEqual(['torn down']);
  expect(progress.failures).toHaveLength(6);
});

it('what no retry mends ends a training at once', async () => {
  let attempts = 0;
  const { end } = await play('bad', {
    run: trainRun(),
    gpu: {
      trainSegment: () => {
        attempts++;
        return asActivity(async () => {
          throw new TypedFailure('BadData', 'images/a.jpg: damaged');
        });
      },
    },
  });
  expect(attempts).toBe(1);
  expect(end).toMatchObject({
    type: 'BadData',
    message: 'images/a.jpg: damaged (no checkpoint was written)',
  });
});

function lost(): Promise<never> {
  return asActivity(async () => {
    throw new TypedFailure('Unavailable', 's3://bucket: did not answer');
  });
}
