import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { asActivity } from '../../activities/as-activity.ts';
import { TypedFailure } from '../../core/config/failures.ts';
import { queryProgress, sendSignal } from '../../core/config/run-messages.ts';
import type { TrainRun } from '../../core/config/train-run.ts';
import { historyEvents } from '../../core/train/segments.ts';
import { trainable, trainRun } from '../activities/train/training-run.ts';
import { openTheatre, saved, type Theatre } from './theatre.ts';

let theatre: Theatre;
beforeAll(async () => {
  theatre = await openTheatre();
});
afterAll(() => theatre[Symbol.asyncDispose]());

it('40 segments with 8 workers, and all that they tell, stay far inside the limits of a history', async () => {
  const config = trainable('train.steps=40000', 'train.evaluateEvery=1000', 'run.workers=8');
  const run = trainRun({ config });
  const fleet = { ...run.fleet, workers: 8 };
  const classes = Array.from({ length: 150 }, (_, i) => ({
    name: `class ${i}`,
    color: [i, 0, 0] as [number, number, number],
  }));
  const full: TrainRun = { ...run, fleet, classes: { name: 'ade20k', classes } };
  const { end, historyLength, historySize, outcome } = await theatre.play('long', { run: full });
  expect(end).toBeNull();
  expect(outcome!.evaluations).toHaveLength(40);
  expect(outcome!.segments.map(({ until }) => until).at(-1)).toBe(40_000);
  // A whole training has twice as many; Temporal's own limits are 51,200 events and 50 MB.
  expect(historyLength).toBeLessThan(3_000);
  expect(historyLength).toBeLessThan(historyEvents(config.train, 8));
  expect(historySize).toBeLessThan(3_000_000);
});

it('a training that is lost over and over goes on as long as each attempt gets further', async () => {
  let attempts = 0;
  const run = trainRun({ config: trainable('train.evaluateEvery=20') });
  const { end, outcome } = await theatre.play('further', {
    run,
    gpu: {
      async trainSegment({ until }) {
        attempts++;
        const handle = Context.current().client.workflow.getHandle('further');
        await sendSignal(handle, 'checkpointSaved', saved(attempts));
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
  const { end, told, progress } = await theatre.play('in-place', {
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
  const { end } = await theatre.play('bad', {
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

it('workers that do not reach a trainer give it up soon, try once at the next segment, and it trains alone', async () => {
  const tries = [0, 0];
  const run = trainRun();
  const { end, outcome } = await theatre.play('out-of-reach', {
    run: { ...run, fleet: { ...run.fleet, workers: 2 } },
    gpu: {
      trainSegment: ({ until, attempt }) => {
        const handle = Context.current().client.workflow.getHandle('out-of-reach');
        return asActivity(async () => {
          const address = '10.0.0.1:7300';
          await sendSignal(handle, 'trainerReady', { attempt, worker: 'w0', address, token: 'x' });
          const isGivenUp = async () =>
            tries[attempt - 1]! > 0 && (await queryProgress(handle, 'Train')).failures.length > 0;
          while (!(await isGivenUp())) await sleep(200);
          // One more try would come after a second.
          if (attempt === 2) await sleep(1_500);
          return { checkpoint: saved(until), worker: 'w0', steps: 10, seconds: 1, dataSeconds: 0 };
        });
      },
      async serveFeatures({ trainer }) {
        tries[trainer.attempt - 1]!++;
        return 'trainer-lost';
      },
    },
  });
  expect(end).toBeNull();
  expect(tries).toEqual([5, 1]);
  // Told once, in the results as well.
  expect(outcome!.failures).toMatchObject([
    {
      class: 'Unavailable',
      message: expect.stringMatching(/^w0 was not reached at 10\.0\.0\.1:7300 by a worker/),
    },
  ]);
});

function lost(): Promise<never> {
  return asActivity(async () => {
    throw new TypedFailure('Unavailable', 's3://bucket: did not answer');
  });
}
