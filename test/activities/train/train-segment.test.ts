import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { BadData } from '../../../core/config/failures.ts';
import type { TrainHeartbeat } from '../../../core/config/train-run.ts';
import { checkpointFile, listCheckpoints, savedCheckpoint } from '../../../core/train/checkpoint-pointers.ts';
import { readLog } from '../../../core/train/train-log.ts';
import { segment, trainable, trainRun } from './training-run.ts';

const folder = 's3://bucket/runs/train-1/checkpoints';

async function outcome(objects: Map<string, Buffer>) {
  const store = memoryStore(objects);
  const checkpoints = await listCheckpoints(store, folder);
  const log = await readLog(store, 's3://bucket/runs/train-1');
  return {
    checkpoints: checkpoints.map(({ step, head, optimizer }) => ({
      step,
      head: head.sha256,
      optimizer: optimizer.sha256,
    })),
    log: log.map(({ time, data_time, started_at, ...line }) => line),
  };
}

async function train(options: Parameters<typeof segment>[1] = {}, objects = new Map<string, Buffer>()) {
  const result = await segment(memoryStore(objects), options);
  return { result, objects, ...(await outcome(objects)) };
}

const killed = (at: number) => (step: number) => {
  if (step === at) throw new Error('killed');
};

describe('a segment', () => {
  test('ends with a checkpoint there, and a log of all its steps', async () => {
    const heartbeats: TrainHeartbeat[] = [];
    const { result, checkpoints, log } = await train({
      beat: { heartbeat: (beat) => heartbeats.push(beat) },
    });
    expect(result).toMatchObject({ worker: 'w0', steps: 20, checkpoint: { step: 20 } });
    expect(checkpoints.map(({ step }) => step)).toEqual([15, 20]);
    expect(log[0]).toMatchObject({ exp_name: 'test', seed: 0 });
    // Means over three steps each; the epoch is that of two steps of four crops out of eight images.
    expect(log.slice(1).map(({ iter }) => iter)).toEqual([3, 6, 9, 12, 15, 18]);
    expect(log[1]).toMatchObject({ mode: 'train', epoch: 2, lr: 0.01, 'decode.acc_seg': 2 });
    expect(log[1]!.loss).toBeCloseTo((5 + 5 / 2 + 5 / 3) / 3, 12);
    expect(heartbeats[0]).toMatchObject({ worker: 'w0', loss: null });
    expect(heartbeats.at(-1)).toMatchObject({ step: 20, steps: 20, loss: 0.25, accuracy: 20, etaSeconds: 0 });
  });

  test('that was lost anywhere is done again to the same bytes and the same log', async () => {
    const whole = await train();
    const deaths = (min: number, max: number) => fc.array(fc.integer({ min, max }), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(deaths(0, 9), deaths(10, 19), async (first, second) => {
        const objects = new Map<string, Buffer>();
        for (const [until, lost] of [
          [10, first],
          [20, second],
        ] as const) {
          for (const death of lost)
            await train({ until, onNext: killed(death) }, objects).catch((error) => {
              if (error.message !== 'killed') throw error;
            });
          await train({ until }, objects);
        }
        const { checkpoints, log } = await outcome(objects);
        expect(checkpoints.at(-1)).toEqual(whole.checkpoints.at(-1));
        expect(log).toEqual(whole.log);
      }),
      { numRuns: 15 },
    );
  });

  test('whose end has its checkpoint already is not trained again', async () => {
    const { objects } = await train();
    const { result } = await train({ onNext: killed(0) }, objects);
    expect(result).toMatchObject({ steps: 0, checkpoint: { step: 20 } });
  });

  test('may begin with another run’s checkpoint: its weights, its moments and its step', async () => {
    const { objects, checkpoints } = await train({ until: 10 });
    const run = {
      ...trainRun({ start: { from: 'checkpoint', uri: `${folder}/iter_10.json`, step: 10 } }),
      prefix: 's3://bucket/runs/train-2',
    };
    const { result } = await train({ run }, objects);
    expect(result).toMatchObject({ steps: 10, checkpoint: { step: 20 } });
    const [, last] = await listCheckpoints(memoryStore(objects), 's3://bucket/runs/train-2/checkpoints');
    const whole = await train();
    expect(last!.optimizer.sha256).toBe(whole.checkpoints.at(-1)!.optimizer);
    expect((await outcome(objects)).checkpoints).toEqual(checkpoints);
  });

  test('may begin with a head’s weights alone, at step 0', async () => {
    const { objects } = await train({ until: 10 });
    const store = memoryStore(objects);
    const head = checkpointFile((await listCheckpoints(store, folder)).at(-1)!, 'head');
    const run = { ...trainRun({ start: { from: 'head', head } }), prefix: 's3://bucket/runs/train-2' };
    const { result } = await train({ run }, objects);
    expect(result.steps).toBe(20);
    const scratch = await train();
    const [, last] = await listCheckpoints(store, 's3://bucket/runs/train-2/checkpoints');
    expect(last!.head.sha256).not.toBe(scratch.checkpoints.at(-1)!.head);
    expect(last!.optimizer.sha256).toBe(scratch.checkpoints.at(-1)!.optimizer);
  });
});

describe('a training that diverges', () => {
  test('ends at the first loss that is no number, and saves nothing of it', async () => {
    const objects = new Map<string, Buffer>();
    const training = train({ loss: (step) => (step < 12 ? 1 : Number.NaN) }, objects);
    await expect(training).rejects.toThrow(BadData);
    await expect(training).rejects.toThrow('step 12: the loss is NaN at a learning rate of 0.01');
    expect((await outcome(objects)).checkpoints.map(({ step }) => step)).toEqual([5, 10]);
  });

  test('is not saved either if a weight is infinite before the loss tells', async () => {
    const objects = new Map<string, Buffer>();
    const broken = new Float32Array([1, Number.POSITIVE_INFINITY]);
    const name = 'decode_head.conv_seg.bias';
    const specs = [{ name, shape: [2], isTrained: true, dtype: 'float32' as const }];
    const training = train(
      {
        context: {
          openTrainer: async () => ({
            step: async () => ({ step: 1, lr: 1, loss: 1, parts: {} }),
            state: () => ({ step: 1, specs, read: async () => broken }),
            async [Symbol.asyncDispose]() {},
          }),
        },
        until: 1,
      },
      objects,
    );
    await expect(training).rejects.toThrow('after step 1 decode_head.conv_seg.bias holds Infinity');
    expect((await outcome(objects)).checkpoints).toEqual([]);
  });
});

describe('a segment that is told to stop', () => {
  /** Told at step 7, of which the trainer sees as much as a real feed lets it: the next batch doesn't come. */
  function stopped(reason: string) {
    const abort = new AbortController();
    const onNext = (step: number) => {
      if (step !== 7) return;
      abort.abort(new Error('stopped'));
      throw new Error('the feed is closed');
    };
    return { onNext, beat: { signal: abort.signal, stopReason: () => reason } };
  }

  test('since its run is cancelled leaves a checkpoint of where it was, to go on from', async () => {
    const objects = new Map<string, Buffer>();
    await expect(train(stopped('run-cancelled'), objects)).rejects.toThrow('the feed is closed');
    expect((await outcome(objects)).checkpoints.map(({ step }) => step)).toEqual([5, 7]);
    await train({}, objects);
    const whole = await train();
    expect(await outcome(objects)).toEqual({ ...whole, objects: undefined, result: undefined });
  });

  test('since another attempt is at work writes nothing more', async () => {
    const objects = new Map<string, Buffer>();
    await expect(train(stopped('attempt-over'), objects)).rejects.toThrow();
    const { checkpoints } = await outcome(objects);
    expect(checkpoints.filter(({ step }) => step > 5)).toEqual([]);
  });
});

test('what is logged and saved is told, checkpoints once they are there', async () => {
  const objects = new Map<string, Buffer>();
  const told: (number | string)[] = [];
  await train(
    {
      run: trainRun({ config: trainable('train.logEvery=10') }),
      beat: {
        onLog: ({ iter }) => told.push(iter),
        onSaved: async (checkpoint) => {
          expect(objects.has(checkpoint.uri)).toBe(true);
          expect(objects.has(savedCheckpoint(checkpoint).head.uri)).toBe(true);
          told.push(checkpoint.uri);
        },
      },
    },
    objects,
  );
  expect(told.filter((one) => typeof one === 'number')).toEqual([10, 20]);
  const steps = [5, 10, 15, 20].map((step) => `${folder}/iter_${step}.json`);
  expect(told.filter((one) => typeof one === 'string')).toEqual(steps);
});
