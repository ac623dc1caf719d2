import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { prefetch } from '../../../activities/evaluate/prefetch.ts';

/** So many items ahead, all of them light. */
const ahead = (items: number) => ({ items, weight: 1, weightOf: () => 0 });

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all = [];
  for await (const item of items) all.push(item);
  return all;
}

test('what is loaded comes in the order of the items, however long each takes', async () => {
  const delays = [30, 5, 20, 0, 10];
  const loaded = prefetch([0, 1, 2, 3, 4], ahead(3), async (item) => {
    await sleep(delays[item]);
    return item * 10;
  });
  expect(await collect(loaded)).toEqual([0, 10, 20, 30, 40]);
});

test.each([0, 1, 3])('%i are under way beyond the one at hand, and no more', async (items) => {
  const started: number[] = [];
  const loaded = prefetch([0, 1, 2, 3, 4, 5], ahead(items), async (item) => {
    started.push(item);
    return item;
  });
  for (let at = 0; at < 6; at++) {
    await loaded.next();
    expect(started).toHaveLength(Math.min(at + 1 + items, 6));
  }
});

test('heavy items are loaded fewer at a time, and one that is too heavy alone', async () => {
  const weights = [1, 1, 4, 9, 2, 2];
  const limit = { items: 3, weight: 5, weightOf: (item: number) => weights[item]! };
  let underWay = 0;
  const most: number[] = [];
  const loaded = prefetch([0, 1, 2, 3, 4, 5], limit, async (item) => {
    underWay += weights[item]!;
    most.push(underWay);
    return item;
  });
  const seen: number[] = [];
  for await (const item of loaded) {
    seen.push(item);
    underWay -= weights[item]!;
  }
  expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
  expect(most).toEqual([1, 2, 5, 9, 2, 4]);
});

test('a failure comes when its turn does, and ends it', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  const seen: number[] = [];
  const loaded = prefetch([0, 1, 2, 3], ahead(3), async (item) => {
    if (item === 2) throw new Error('the third is damaged');
    await sleep(10);
    return item;
  });
  await expect(
    (async () => {
      for await (const item of loaded) seen.push(item);
    })(),
  ).rejects.toThrow('the third is damaged');
  expect(seen).toEqual([0, 1]);
  await sleep(20);
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('failures that nobody waits for any more are not unhandled', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  const loaded = prefetch([0, 1, 2], ahead(2), async (item) => {
    if (item > 0) throw new Error('too late');
    return item;
  });
  expect((await loaded.next()).value).toBe(0);
  await loaded.return(undefined);
  await sleep(20);
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('no items give nothing', async () => {
  expect(await collect(prefetch([], ahead(4), async (item) => item))).toEqual([]);
});
