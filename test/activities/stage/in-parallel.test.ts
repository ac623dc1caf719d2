import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { inParallel } from '../../../activities/stage/in-parallel.ts';

const signal = new AbortController().signal;

test('results come in the order of the items, and no more are under way than allowed', async () => {
  let running = 0;
  let most = 0;
  const results = await inParallel([30, 1, 20, 1, 10, 1], { atOnce: 2, signal }, async (ms) => {
    most = Math.max(most, ++running);
    await sleep(ms);
    running -= 1;
    return ms;
  });
  expect(results).toEqual([30, 1, 20, 1, 10, 1]);
  expect(most).toBe(2);
});

test('the first failure begins nothing more, and is thrown when nothing is under way', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const running = inParallel([1, 2, 3, 4, 5], { atOnce: 2, signal }, async (item, stop) => {
    begun.push(item);
    if (item === 1) throw new Error('the first');
    await sleep(20);
    ended.push(item);
    if (stop.aborted) throw new Error('a later one');
  });
  await expect(running).rejects.toThrow('the first');
  expect([begun, ended]).toEqual([[1, 2], [2]]);
});

test('who is told to stop begins nothing more', async () => {
  const stop = new AbortController();
  const begun: number[] = [];
  const running = inParallel([1, 2, 3], { atOnce: 1, signal: stop.signal }, async (item) => {
    begun.push(item);
    stop.abort(new Error('told to stop'));
  });
  await expect(running).rejects.toThrow('told to stop');
  expect(begun).toEqual([1]);
});
