import { describe, expect, test } from 'vitest';
import { loadSample, type SampleContext } from '../../../activities/train/load-sample.ts';
import { BadData } from '../../../core/config/failures.ts';
import { TrainSchema } from '../../../core/config/train.ts';
import { sampleAt } from '../../../core/train/sample-order.ts';
import { annotationOf, sha256, stagedSet, tinyConfig } from '../../builders.ts';

const SIDE = 28;
const train = TrainSchema.parse({
  steps: 10,
  batch: 3,
  data: {},
  checkpointEvery: 5,
  evaluateEvery: 5,
  optimizer: { type: 'adamw', lr: 0.01, weightDecay: 0 },
  schedule: { type: 'poly', warmup: { steps: 0, ratio: 1 } },
  augmentation: { longPx: 112, shortPx: 28 },
});

async function stagedContext(overrides: string[] = []) {
  const { objects, store, input, manifest } = await stagedSet();
  const config = { ...tinyConfig(...overrides), train };
  const context: SampleContext = { store, root: input.dataset, images: manifest.images, config };
  return { objects, context };
}

test('a sample has the size of a crop, numbers around 0, and labels of the classes or 255', async () => {
  const { context } = await stagedContext();
  for (let slot = 0; slot < 8; slot++) {
    const { image, labels } = await loadSample(context, 0, slot);
    expect(image).toHaveLength(SIDE * SIDE * 3);
    expect(labels).toHaveLength(SIDE * SIDE);
    expect(Math.max(...image.map(Math.abs))).toBeLessThan(3);
    expect(labels.every((label) => label < 150 || label === 255)).toBe(true);
    expect(new Set(labels).size).toBeGreaterThan(5);
  }
});

test('a sample is a function of seed, step and slot: the same each time, and no two the same', async () => {
  const { context } = await stagedContext();
  const at = (step: number, slot: number) => loadSample(context, step, slot);
  expect(await at(4, 1)).toEqual(await at(4, 1));
  // Step 0 slot 1 and step 8 slot 1 may be of one image; the views differ all the same.
  const places = Array.from({ length: 27 }, (_, i) => [Math.floor(i / 3), i % 3] as const);
  const samples = await Promise.all(places.map(([step, slot]) => at(step, slot)));
  expect(new Set(samples.map(({ image }) => sha256(new Uint8Array(image.buffer)))).size).toBe(27);
  const other = { ...context, config: { ...context.config, train: { ...train, seed: 1 } } };
  expect(await loadSample(other, 4, 1)).not.toEqual(await at(4, 1));
});

test('what a dataset ignores is 255, whatever its own number for it is', async () => {
  const { context } = await stagedContext(['dataset.reduceZeroLabel=false', 'dataset.ignoreIndex=150']);
  const samples = await Promise.all([0, 1, 2].map((slot) => loadSample(context, 0, slot)));
  for (const { labels } of samples) expect(labels).not.toContain(150);
});

describe('what is wrong is named by its object', () => {
  async function firstImage() {
    const staged = await stagedContext();
    const order = { seed: 0, batch: 3, imageCount: staged.context.images.length };
    return { ...staged, image: staged.context.images[sampleAt(order, 0, 0)]! };
  }

  test('an image that is not what was staged', async () => {
    const { objects, context, image } = await firstImage();
    const uri = `${context.root}/${image.image.key}`;
    objects.set(uri, Buffer.from('no image'));
    await expect(loadSample(context, 0, 0)).rejects.toThrow(BadData);
    await expect(loadSample(context, 0, 0)).rejects.toThrow(`${uri}: not the bytes that were staged`);
  });

  test('an annotation of another size', async () => {
    const { objects, context, image } = await firstImage();
    const uri = `${context.root}/${image.annotation!.key}`;
    const other = annotationOf(5, 5);
    objects.set(uri, other);
    image.annotation = { ...image.annotation!, sha256: sha256(other) };
    await expect(loadSample(context, 0, 0)).rejects.toThrow(`${uri}: 5×5 px, but its image is`);
  });
});

test('a training that was stopped loads no further', async () => {
  const { context } = await stagedContext();
  await expect(loadSample(context, 0, 0, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
});
