import { expect, onTestFinished, test, vi } from 'vitest';
import { openFeatureFeed } from '../../../../activities/train/features/feature-feed.ts';
import { serveFeatures } from '../../../../activities/train/features/serve-features.ts';
import { startNode, temporaryFolder, until } from '../../../infra/observe.ts';
import { bitsOf, noise, openTinyBackbone, quickBackbone, tinyTraining } from './tiny-training.ts';

const config = tinyTraining({ features: 'bfloat16' });
const TOKEN = 'a-secret';
const STEPS = 24;

/** All batches of a feed with a real backbone, taken when so many worker processes are there. */
async function batchesWith(workers: number, { killOneAt }: { killOneAt?: number } = {}) {
  const folder = temporaryFolder();
  const extractor = await openTinyBackbone(folder, config);
  await using feed = await openFeatureFeed({
    ...{ config, first: 0, end: STEPS, sample: noise(config), extractor },
    serve: { host: '127.0.0.1', port: 0, token: TOKEN },
    window: { steps: 2, bytes: 1e9 },
  });
  const start = () =>
    startNode([
      ...['--import', 'tsx', 'test/infra/programs/feature-worker.ts'],
      ...[temporaryFolder(), feed.address!, TOKEN],
    ]);
  const programs = Array.from({ length: workers }, start);
  await until(`${workers} workers`, () => feed.workers === workers);
  const batches = [];
  for (let step = 0; step < STEPS; step++) {
    if (step === killOneAt) programs[0]!.child.kill('SIGKILL');
    batches.push(bitsOf(await feed.next()));
  }
  const present = feed.workers;
  await feed[Symbol.asyncDispose]();
  await extractor[Symbol.asyncDispose]();
  const ends = await Promise.all(
    programs.map(async ({ exited, output }) => /end: (.*)/.exec(output())?.[1] ?? (await exited)),
  );
  return { batches, present, ends: await Promise.all(programs.map(({ exited }) => exited)), said: ends };
}

test('0, 1 and 3 worker processes, one of them killed in the middle, give the same batches bit for bit', async () => {
  const none = await batchesWith(0);
  expect(none.batches.map(({ step }) => step)).toEqual([...Array(STEPS).keys()]);
  const one = await batchesWith(1);
  expect(one).toMatchObject({ present: 1, ends: ['0'] });
  const three = await batchesWith(3, { killOneAt: 8 });
  expect(three).toMatchObject({ present: 2, ends: ['SIGKILL', '0', '0'] });
  expect(one.batches).toEqual(none.batches);
  expect(three.batches).toEqual(none.batches);
}, 60_000);

test.each([
  // Its connection is closed at once; one that only stands still is found out by its silence.
  { signal: 'SIGKILL', withinMs: 1_000 },
  { signal: 'SIGSTOP', withinMs: 6_000 },
] as const)('a worker whose trainer is gone by $signal ends', async ({ signal, withinMs }) => {
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
    ...{ address, token: TOKEN, config: trainerConfig, sample: noise(trainerConfig), signal: stop.signal },
    extractor: quickBackbone(trainerConfig, async () => void computed++),
  });
  await vi.waitUntil(() => computed > 0, { timeout: 10_000 });
  child.kill(signal);
  const start = performance.now();
  expect(await ended).toBe('trainer-lost');
  expect(performance.now() - start).toBeLessThan(withinMs);
});
