import { ApplicationFailure } from '@temporalio/activity';
import { expect, test } from 'vitest';
import type { ShardTask } from '../../core/config/eval.ts';
import type { ServeTask } from '../../core/config/train-run.ts';
import { endWhenLost } from '../../workers/end-when-lost.ts';

const failing =
  (type: string) =>
  async (_: unknown): Promise<never> => {
    throw ApplicationFailure.create({ message: `a ${type}`, type });
  };

test('a worker whose GPU has failed is told to go once, and the failure goes on to the run', async () => {
  const lost: string[] = [];
  const work = { evaluateShard: failing('WorkerLost'), serveFeatures: failing('WorkerLost') };
  const activities = endWhenLost(work, (message) => lost.push(message));
  await expect(activities.evaluateShard({} as ShardTask)).rejects.toThrow('a WorkerLost');
  await expect(activities.serveFeatures({} as ServeTask)).rejects.toThrow('a WorkerLost');
  expect(lost).toEqual(['a WorkerLost']);
});

test('an error that nobody foresaw ends its worker as well: it is tried again elsewhere', async () => {
  const lost: string[] = [];
  const activities = endWhenLost({ evaluateShard: failing('Unexpected') }, (message) => lost.push(message));
  await expect(activities.evaluateShard({} as ShardTask)).rejects.toThrow('a Unexpected');
  expect(lost).toEqual(['a Unexpected']);
});

test('any other failure leaves a worker at work', async () => {
  const lost: string[] = [];
  const activities = endWhenLost({ evaluateShard: failing('OutOfMemory') }, (message) => lost.push(message));
  await expect(activities.evaluateShard({} as ShardTask)).rejects.toThrow('a OutOfMemory');
  expect(lost).toEqual([]);
});
