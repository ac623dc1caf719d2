import { expect, onTestFinished, test, vi } from 'vitest';
import type { Extractor } from '../../../../activities/train/features/extractor.ts';
import { openFeatureFeed } from '../../../../activities/train/features/feature-feed.ts';
import { serveFeatures } from '../../../../activities/train/features/serve-features.ts';
import { startNode, temporaryFolder, until } from '../../../infra/observe.ts';
import { bitsOf, noise, openTinyBackbone, quickBackbone, tinyTraining } from './tiny-training.ts';

const config = tinyTraining({ features: 'bfloat16' });
const TOKEN = 'a-secret';
const STEPS = 24;

/** All batches of a feed with a real backbone, taken when so many worker processes are there. */
async function batchesWith(workers: number, killOneAt?: number) {
  await using backbone = await openTinyBackbone(temporaryFolder(), config);
  let own = 0;
  const extractor: Extractor = {
    extract(images) {
      own++;
      return backbone.extract(images);
    },
  };
  await using feed = await openFeatureFeed({
    config,
    first: 0,
    end: STEPS,
    sample: noise(config),
    extractor,
    serve: { host: '127.0.0.1', port: 0, token: TOKEN },
    window: { steps: 2, bytes: 1e9 },
  });
  const programs = Array.from({ length: workers }, () => startWorker(feed.address!));
  await until(`${workers} workers`, () => feed.workers === workers);
  const batches = [];
  for (let step = 0; step < STEPS; step++) {
    if (step === killOneAt) programs[0]!.child.kill('SIGKILL');
    batches.push(bitsOf(await feed.next()));
  }
  await feed[Symbol.asyncDispose]();
  const ends = await Promise.all(
    programs.map(async ({ exited, output }) => `${await exited} ${output()}`.trim()),
  );
  return { batches, own, ends };
}

function startWorker(address: string) {
  const program = ['--import', 'tsx', 'test/infra/programs/feature-worker.ts'];
  return startNode([...program, temporaryFolder(), address, TOKEN]);
}

test('0, 1 and 3 worker processes, one of them killed in the middle, give the same batches bit for bit', async () => {
  const none = await batchesWith(0);
  expect(none.batches.map(({ step }) => step)).toEqual([...Array(STEPS).keys()]);
  expect(none.own).toBe(STEPS * 3);
  const one = await batchesWith(1);
  expect(one.ends).toEqual(['0 end: finished']);
  const three = await batchesWith(3, 8);
  expect(three.ends).toEqual(['SIGKILL', '0 end: finished', '0 end: finished']);
  // Before workers came, the window was filled without them; afterwards the trainer has done a part of it.
  for (const { own } of [one, three]) {
    expect(own).toBeGreaterThanOrEqual(2 * 3);
    expect(own).toBeLessThan(STEPS * 3);
  }
  expect(one.batches).toEqual(none.batches);
  expect(three.batches).toEqual(none.batches);
}, 60_000);

test('a worker that stands still without a word is taken for gone, and its groups are computed', async () => {
  const sample = noise(config);
  await using feed = await openFeatureFeed({
    config,
    first: 0,
    end: STEPS,
    sample,
    extractor: quickBackbone(config),
    serve: { host: '127.0.0.1', port: 0, token: TOKEN },
    window: { steps: 1, bytes: 1e9 },
  });
  const { child } = startWorker(feed.address!);
  await until('the worker', () => feed.workers === 1);
  child.kill('SIGSTOP');
  for (let step = 0; step < STEPS; step++) expect((await feed.next()).step).toBe(step);
  expect(feed.workers).toBe(0);
});

// The connection of one that is killed is closed; one that only stands still is found out by its silence.
test.each(['SIGKILL', 'SIGSTOP'] as const)(
  'a worker whose trainer is gone by %s ends',
  async (signal) => {
    const { child, output } = startNode([
      ...['--import', 'tsx', 'test/infra/programs/feature-trainer.ts', TOKEN],
    ]);
    await until('the trainer', () => output().includes('address: '));
    const address = /address: (.*)/.exec(output())![1]!;
    let computed = 0;
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    const trainerConfig = tinyTraining();
    const ended = serveFeatures({
      address,
      token: TOKEN,
      config: trainerConfig,
      sample: noise(trainerConfig),
      signal: stop.signal,
      extractor: quickBackbone(trainerConfig, async () => void computed++),
    });
    await vi.waitUntil(() => computed > 0, { timeout: 10_000 });
    child.kill(signal);
    expect(await ended).toBe('trainer-lost');
  },
  30_000,
);
