import { ApplicationFailure, Context } from '@temporalio/activity';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { asActivity } from '../../activities/as-activity.ts';
import type { EvalRun, ShardResult } from '../../core/config/eval.ts';
import { TypedFailure } from '../../core/config/failures.ts';
import type { TrainRun } from '../../core/config/train-run.ts';
import { emptyMatrix } from '../../core/metric/confusion-matrix.ts';
import { encodeMatrix } from '../../core/metric/matrix-codec.ts';
import { trainable, trainRun } from '../activities/train/training-run.ts';
import { EVALUATION, openTheatre, saved, type Theatre } from './theatre.ts';

/* What befalls the evaluations of a training, by the workflows alone. */
let theatre: Theatre;
beforeAll(async () => {
  theatre = await openTheatre();
});
afterAll(() => theatre[Symbol.asyncDispose]());

it('an evaluation that an outage ends is tried again; what it has found is not lost with the record of it', async () => {
  const run = trainRun({ config: trainable('train.evaluateEvery=20') });
  const { mIoU, mAcc, aAcc, resultsUri } = EVALUATION;
  let evaluations = 0;
  let records = 0;
  const { end, outcome } = await theatre.play('outage', {
    run,
    control: {
      planEval: async () => {
        if (++evaluations === 1) throw lasting();
        return { kind: 'finished', result: EVALUATION };
      },
      recordEvaluation: async () => {
        if (++records === 1) throw lasting();
      },
    },
  });
  expect(end).toBeNull();
  expect({ evaluations, records }).toEqual({ evaluations: 2, records: 2 });
  expect(outcome!.evaluations).toEqual([{ step: 20, mIoU, mAcc, aAcc, resultsUri }]);
  expect(outcome!.failures.map((failure) => failure.class)).toEqual(['Unavailable', 'Unavailable']);
});

it.each([
  ['cancel', 'cancelled'],
  ['terminate', 'terminated'],
] as const)(
  'a training whose evaluation somebody %ss alone ends, and says that it was %s',
  async (end, ended) => {
    const run = trainRun({ config: trainable() });
    let evaluations = 0;
    const { end: failure } = await theatre.play(`evaluation-${end}`, {
      run,
      control: {
        planEval: () => {
          evaluations++;
          const child = Context.current().client.workflow.getHandle(`${run.workflowId}-iter_10`);
          return asActivity(async () => {
            await child[end]();
            return new Promise<never>(() => {});
          });
        },
      },
    });
    expect(failure).toMatchObject({
      type: 'BadInput',
      message: `the evaluation of step 10 was ${ended} (the last good checkpoint is that of step 10: ${saved(10).uri})`,
    });
    expect(evaluations).toBe(1);
  },
);

it('a shard that two workers were lost with has all its own attempts left: down to a batch of one crop', async () => {
  const run = trainRun({ config: trainable('train.evaluateEvery=20', 'run.batch=1024') });
  const batches: number[] = [];
  const { end } = await theatre.play('often-lost', {
    run,
    control: {
      planEval: async () => ({ kind: 'run', run: evaluationOf(run) }),
      publishResults: async () => ({
        metrics: EVALUATION,
        status: 'written',
        resultsUri: 's3://r',
        reportUri: 's3://h',
      }),
    },
    gpu: {
      evaluateShard: ({ batch }) =>
        asActivity(async () => {
          batches.push(batch);
          if (batches.length <= 2) throw new TypedFailure('WorkerLost', 'w0: evicted from its node');
          if (batch > 1) throw new TypedFailure('OutOfMemory', 'the batch did not fit');
          return shardOf(run);
        }),
    },
  });
  expect(end).toBeNull();
  expect(batches).toEqual([1024, 1024, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1]);
});

it('an error that nobody foresaw is tried again once, and then ends the run by what it was', async () => {
  const run = trainRun({ config: trainable('train.evaluateEvery=20') });
  let attempts = 0;
  const { end } = await theatre.play('unforeseen', {
    run,
    control: { planEval: async () => ({ kind: 'run', run: evaluationOf(run) }) },
    gpu: {
      evaluateShard: () =>
        asActivity(async () => {
          attempts++;
          throw new TypeError('x is not a function');
        }),
    },
  });
  expect(attempts).toBe(2);
  expect(end).toMatchObject({
    type: 'Unexpected',
    message: expect.stringContaining('evaluateShard: unexpected error: TypeError: x is not a function'),
  });
});

/** As it is after an activity's own attempts. */
function lasting(): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'Unavailable',
    message: 's3://bucket: did not answer',
    nonRetryable: true,
  });
}

/** The evaluation of one image, in one shard. */
function evaluationOf({ start, evaluation, ...run }: TrainRun): EvalRun {
  return {
    ...run,
    head: null,
    ignoredKeys: [],
    overlays: [],
    labelIds: null,
    dataset: { ...run.dataset, split: 'validation', images: 1 },
    imageIds: ['a'],
    shards: [{ shard: 0, first: 0, count: 1 }],
  };
}

function shardOf({ config }: TrainRun): ShardResult {
  return {
    shard: 0,
    worker: 'w0',
    attempt: 1,
    startedAtMs: Date.now(),
    seconds: 1,
    matrix: encodeMatrix(emptyMatrix(config.model.head.classes)),
    images: [{ id: 'a', predictionSha256: '0'.repeat(64), labelledPixels: 0 }],
    phases: { start: 0, weightFetch: 0, graphBuild: 0, warmUp: 0, compute: 1, idle: 0 },
    environment: {
      device: 'cpu',
      deviceName: 'CPU',
      driver: null,
      onnxRuntime: '1',
      node: '20',
      precision: 'float32',
    },
  };
}
