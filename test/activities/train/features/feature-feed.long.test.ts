import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { featureEndpoint } from '../../../../activities/train/features/endpoint.ts';
import { type FeedOptions, openFeatureFeed } from '../../../../activities/train/features/feature-feed.ts';
import { type ServeOptions, serveFeatures } from '../../../../activities/train/features/serve-features.ts';
import { BadData, Unavailable } from '../../../../core/config/failures.ts';
import { bitsOf, noise, quickBackbone, tinyTraining } from './tiny-training.ts';

const config = tinyTraining({ features: 'bfloat16' });
const TOKEN = 'a-secret';
const never = new Promise<void>(() => {});

/** A feed of a quick backbone that ends with the test. */
async function openFeed(options: Partial<FeedOptions> = {}) {
  const feed = await openFeatureFeed({
    config,
    first: 4,
    end: 14,
    sample: noise(config),
    extractor: quickBackbone(config),
    serve: { host: '127.0.0.1', port: 0, token: TOKEN },
    ...options,
  });
  onTestFinished(() => feed[Symbol.asyncDispose]());
  return feed;
}

/** A worker on it, in this process. */
function serve({ address }: { address: string | null }, options: Partial<ServeOptions> = {}) {
  const stop = new AbortController();
  const end = serveFeatures({
    address: address!,
    token: TOKEN,
    config,
    sample: noise(config),
    extractor: quickBackbone(config),
    signal: stop.signal,
    ...options,
  });
  end.catch(() => {});
  return { end, stop: () => stop.abort() };
}

async function take(feed: Awaited<ReturnType<typeof openFeed>>, count: number) {
  const batches = [];
  for (let i = 0; i < count; i++) batches.push(bitsOf(await feed.next()));
  return batches;
}

test('without workers the trainer computes, from its first step on and in order', async () => {
  const feed = await openFeed({ serve: null });
  expect(feed.address).toBeNull();
  const { labels } = await feed.next();
  const batches = await take(feed, 9);
  expect(batches.map(({ step }) => step)).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13]);
  expect(labels.subarray(28 * 28, 2 * 28 * 28)).toEqual(
    (await noise(config)(4, 1, AbortSignal.timeout(1000))).labels,
  );
});

test('where workers are, the trainer computes only while it waits, and nothing is computed twice', async () => {
  const calls = { own: 0, workers: 0 };
  const extractor = quickBackbone(config, async () => void calls.own++);
  const feed = await openFeed({ extractor, window: { steps: 2, bytes: 1e9 } });
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const theirs = quickBackbone(config, async () => {
    await held;
    calls.workers++;
  });
  const workers = [serve(feed, { extractor: theirs }), serve(feed, { extractor: theirs })];
  await vi.waitUntil(() => feed.workers === 2);
  const before = calls.own;
  // The window's two batches are there: the workers have all of the next one's groups, and nobody waits for it.
  await take(feed, 1);
  await sleep(100);
  expect(calls.own).toBe(before);
  const rest = take(feed, 9);
  letGo();
  await rest;
  expect(calls.workers).toBeGreaterThan(0);
  expect(calls.own + calls.workers).toBe(10 * 3);
  await feed[Symbol.asyncDispose]();
  expect(await Promise.all(workers.map(({ end }) => end))).toEqual(['finished', 'finished']);
});

test('a trainer that waits has what its workers have not taken yet', async () => {
  const calls = { own: 0 };
  const extractor = quickBackbone(config, async () => void calls.own++);
  const feed = await openFeed({ extractor, window: { steps: 4, bytes: 1e9 } });
  const stuck = serve(feed, { extractor: quickBackbone(config, () => never) });
  await vi.waitUntil(() => feed.workers === 1);
  const before = calls.own;
  const batches = take(feed, 10);
  // The stuck worker holds two groups of the fifth step: of those behind them the trainer does all that it may.
  await vi.waitUntil(() => calls.own > before + 3);
  stuck.stop();
  expect(await batches).toHaveLength(10);
});

test('a slow trainer has no more than the window computed, however many workers there are', async () => {
  const seen = new Set<number>();
  const feed = await openFeed({
    window: { steps: 2, bytes: 1e9 },
    sample: noise(config, (s) => seen.add(s)),
  });
  for (let i = 0; i < 3; i++) serve(feed, { sample: noise(config, (step) => seen.add(step)) });
  await vi.waitUntil(() => feed.workers === 3);
  for (let taken = 0; taken < 4; taken++) {
    await sleep(50);
    expect(Math.max(...seen)).toBe(4 + taken + 1);
    await feed.next();
  }
});

test('a worker that leaves costs nothing but its groups, which others compute', async () => {
  const feed = await openFeed({ window: { steps: 3, bytes: 1e9 } });
  const stuck = serve(feed, { extractor: quickBackbone(config, () => never) });
  await vi.waitUntil(() => feed.workers === 1);
  serve(feed, { extractor: quickBackbone(config) });
  await vi.waitUntil(() => feed.workers === 2);
  const batches = take(feed, 10);
  await sleep(50);
  stuck.stop();
  expect(await batches).toEqual(await take(await openFeed({ serve: null }), 10));
});

test('a worker that hangs is waited for only so long, and what it brings later is dropped', async () => {
  let letGo = () => {};
  const hanging = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const feed = await openFeed({ patienceMs: 100, window: { steps: 1, bytes: 1e9 } });
  const late = serve(feed, { extractor: quickBackbone(config, () => hanging) });
  await vi.waitUntil(() => feed.workers === 1);
  const batches = await take(feed, 6);
  expect(feed.workers).toBe(0);
  letGo();
  await vi.waitUntil(() => feed.workers === 1);
  batches.push(...(await take(feed, 4)));
  expect(batches).toEqual(await take(await openFeed({ serve: null }), 10));
  late.stop();
  expect(await late.end).toBe('stopped');
});

test.each([
  { who: 'the trainer', isWorker: false },
  { who: 'a worker', isWorker: true },
])('a damaged image that $who meets ends the feed with what is wrong', async ({ isWorker }) => {
  const damaged = async () => {
    throw new BadData('s3://bucket/data/images/a.jpg: is cut short');
  };
  const feed = await openFeed(isWorker ? { window: { steps: 1, bytes: 1e9 } } : { sample: damaged });
  const worker = isWorker ? serve(feed, { sample: damaged }) : null;
  if (isWorker) await vi.waitUntil(() => feed.workers === 1);
  const batches = take(feed, 10);
  await expect(batches).rejects.toThrow(new BadData('s3://bucket/data/images/a.jpg: is cut short'));
  await expect(batches).rejects.toMatchObject({ failureClass: 'BadData' });
  await feed[Symbol.asyncDispose]();
  if (worker) await expect(worker.end).rejects.toThrow('is cut short');
});

test('what only one worker meets is its own end, not the feed’s', async () => {
  const feed = await openFeed({ window: { steps: 1, bytes: 1e9 } });
  const cut = async () => {
    throw new Unavailable('s3://bucket: does not answer');
  };
  const worker = serve(feed, { sample: cut });
  await vi.waitUntil(() => feed.workers === 1);
  expect(await take(feed, 10)).toHaveLength(10);
  await expect(worker.end).rejects.toThrow('does not answer');
});

test('a worker with another run’s token is refused, and so is one whose crops have another size', async () => {
  const feed = await openFeed({ window: { steps: 1, bytes: 1e9 } });
  await expect(serve(feed, { token: 'another' }).end).rejects.toThrow(
    `the trainer at ${feed.address} refused this worker: not this run's token`,
  );
  expect(feed.workers).toBe(0);
  const other = tinyTraining({ features: 'bfloat16', taps: [1] });
  const misfit = serve(feed, { config: other, extractor: quickBackbone(other) });
  await vi.waitUntil(() => feed.workers === 1);
  const batches = take(feed, 2);
  await expect(misfit.end).rejects.toThrow('has not the right size');
  expect(await batches).toHaveLength(2);
});

test('a worker whose trainer never answers ends', async () => {
  expect(await serve({ address: '127.0.0.1:1' }).end).toBe('trainer-lost');
});

test('a feed that is closed lets what runs end, and gives nothing any more', async () => {
  const feed = await openFeed({ serve: null });
  await feed[Symbol.asyncDispose]();
  await expect(feed.next()).rejects.toThrow('the feed is closed');
});

test('the endpoint is what the environment says, else an address that others reach', () => {
  expect(featureEndpoint({ TESSERA_HOST: '10.1.2.3', TESSERA_FEATURE_PORT: '7070' })).toEqual({
    host: '10.1.2.3',
    port: 7070,
  });
  expect(featureEndpoint({})).toMatchObject({ host: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/), port: 0 });
  expect(() => featureEndpoint({ TESSERA_FEATURE_PORT: '70000' })).toThrow(
    "TESSERA_FEATURE_PORT: '70000' is not a port (1 to 65535)",
  );
});
