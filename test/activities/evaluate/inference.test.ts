import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Inference } from '../../../activities/evaluate/inference.ts';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import type { Config } from '../../../core/config/config.ts';
import { heavyConfig, randomCheckpoint, tinyConfig } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

/** A model at work, and images of one crop for it. */
async function openInference(config: Config) {
  const folder = temporaryFolder();
  const file = join(folder, 'x.pth');
  writeFileSync(file, randomCheckpoint(config.model));
  const { modelFile } = await prepareModel(folder, [{ name: 'x.pth', file }], config);
  const inference = await Inference.open({ modelFile, config });
  onTestFinished(() => inference[Symbol.asyncDispose]());
  const side = config.model.backbone.imageSizePx;
  const image = () => ({ width: side, height: side, data: new Uint8Array(side * side * 3).fill(90) });
  const views = () => [{ image: image(), isFlipped: false }];
  const segment = (id: string) => inference.segment(id, views(), { width: 11, height: 7 });
  return { inference, segment };
}

test('a label map has the size of its original', async () => {
  const { inference, segment } = await openInference(tinyConfig());
  const labels = segment('a');
  inference.flush();
  expect(await labels).toHaveLength(7 * 11);
  expect(inference.phases).toMatchObject({ batches: 1 });
  expect(inference.start.buildSeconds).toBeGreaterThan(0);
});

test('a full batch runs by itself, what is left waits for the flush', async () => {
  const { inference, segment } = await openInference(tinyConfig('run.batch=2'));
  const [first, second, third] = ['a', 'b', 'c'].map(segment);
  await Promise.all([first, second]);
  expect(inference.phases.batches).toBe(1);
  inference.flush();
  await third;
  expect(inference.phases.batches).toBe(2);
});

test('one that is closed in the middle of a batch lets it end, drops what waits, and leaves the process whole', async () => {
  for (const delayMs of [0, 20, 60]) {
    const { inference, segment } = await openInference(heavyConfig());
    const waiting = Array.from({ length: 40 }, (_, i) =>
      segment(`${i}`).catch((error: Error) => error.message),
    );
    await sleep(delayMs);
    await inference[Symbol.asyncDispose]();
    expect((await Promise.all(waiting)).at(-1)).toMatch(/the inference thread (is closing|ended)/);
    await inference[Symbol.asyncDispose]();
  }
});

test('one that has ended refuses images', async () => {
  const { inference, segment } = await openInference(tinyConfig());
  await inference[Symbol.asyncDispose]();
  await expect(segment('a')).rejects.toThrow('the inference thread ended');
});
