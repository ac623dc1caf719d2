import { Context } from '@temporalio/activity';
import { Client, Connection, type WorkflowFailedError } from '@temporalio/client';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { asActivity } from '../../activities/as-activity.ts';
import type { ControlActivities } from '../../activities/control.ts';
import type { GpuActivities } from '../../activities/gpu.ts';
import type { TrainOutcome } from '../../activities/publish/publish-training.ts';
import { queryProgress, type Signals, sendSignal } from '../../core/config/run-messages.ts';
import type { SavedCheckpoint, TrainProgress, TrainRun } from '../../core/config/train-run.ts';
import { startStack } from '../../infra/local/stack.ts';
import { workflowBundle } from '../../workers/workflow-bundle.ts';
import { makeFolder } from '../infra/observe.ts';

/** What every evaluation of a played training finds. */
export const EVALUATION = {
  mIoU: 0.5,
  mAcc: 0.5,
  aAcc: 0.5,
  images: 8,
  resultsUri: 's3://r',
  reportUri: 's3://h',
};

export const saved = (step: number): SavedCheckpoint => ({
  step,
  uri: `s3://bucket/runs/train-1/checkpoints/iter_${step}.json`,
  head: { uri: `s3://bucket/iter_${step}.pth`, sha256: '0'.repeat(64), sizeBytes: 1 },
});

interface Scene {
  run: TrainRun;
  /** In place of those that say at once that they have done their part. */
  gpu?: Partial<GpuActivities>;
  control?: Partial<ControlActivities>;
}

interface Played {
  /** The failure that it ended by. */
  end: (Error & { type?: string }) | null;
  historyLength: number;
  historySize: number | undefined;
  outcome: TrainOutcome | undefined;
  told: string[];
  progress: TrainProgress;
}

/** Runs of `Train` alone: a real Temporal, and activities that only say that they have done their part. */
export interface Theatre extends AsyncDisposable {
  play(workflowId: string, scene: Scene): Promise<Played>;
}

export async function openTheatre(): Promise<Theatre> {
  Runtime.install({ logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} } });
  const stack = await startStack({ stateDir: makeFolder() });
  const connection = await NativeConnection.connect({ address: stack.temporalAddress });
  const client = new Client({ connection: await Connection.connect({ address: stack.temporalAddress }) });
  return {
    play: (workflowId, scene) => play({ connection, client }, workflowId, scene),
    async [Symbol.asyncDispose]() {
      await connection.close();
      await client.connection.close();
      await stack[Symbol.asyncDispose]();
    },
  };
}

async function play(
  { connection, client }: { connection: NativeConnection; client: Client },
  workflowId: string,
  { run, gpu = {}, control = {} }: Scene,
): Promise<Played> {
  let outcome: TrainOutcome | undefined;
  const told: string[] = [];
  const signal = <Name extends keyof Signals>(name: Name, content: Signals[Name]) =>
    sendSignal(Context.current().client.workflow.getHandle(workflowId), name, content);
  const activities: Partial<ControlActivities> = {
    planTrain: async () => ({ kind: 'run', run, checkpoint: null, evaluations: [] }),
    planEval: async () => ({ kind: 'finished', result: EVALUATION }),
    keepFleet: () => asActivity(({ signal: { aborted } }) => new Promise(() => aborted)),
    tearDown: async () => void told.push('torn down'),
    recordEvaluation: async () => {},
    discardUnpublished: async () => {},
    publishTraining: async (given) => {
      outcome = given;
      const { best, last } = { best: given.evaluations[0]!, last: given.evaluations.at(-1)! };
      const uris = { head: 's3://h', logUri: 's3://l', resultsUri: 's3://r', reportUri: 's3://p' };
      return { steps: run.config.train.steps, best, last, ...uris };
    },
    ...control,
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
      activities,
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
    const handle = await client.workflow.start('Train', {
      taskQueue: 'tessera',
      workflowId,
      args: [{ config: 'x', weights: 's3://w', dataset: 's3://d', output: 's3://o' }],
    });
    const end = await handle.result().then(
      () => null,
      (error: WorkflowFailedError) => error.cause as Error & { type?: string },
    );
    const { historyLength, historySize } = await handle.describe();
    const progress = await queryProgress(handle, 'Train');
    return { end, historyLength, historySize, outcome, told, progress };
  } finally {
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
  }
}
