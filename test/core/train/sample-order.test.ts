import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BadInput } from '../../../core/config/failures.ts';
import { sampleAt, trainingImages } from '../../../core/train/sample-order.ts';

/** Images of the positions `from` to below `to`, in order. */
function samples(order: Parameters<typeof sampleAt>[0], from: number, to: number): number[] {
  const { batch } = order;
  return Array.from({ length: to - from }, (_, i) =>
    sampleAt(order, Math.floor((from + i) / batch), (from + i) % batch),
  );
}

test('each epoch sees each image once, whatever the batch is', () => {
  const size = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(fc.nat(), size, size, fc.nat(5), (seed, batch, imageCount, epoch) => {
      const seen = samples({ seed, batch, imageCount }, epoch * imageCount, (epoch + 1) * imageCount);
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: imageCount }, (_, i) => i));
    }),
  );
});

test('an image depends on its place only, not on what was asked before, nor on how places are cut into steps', () => {
  const order = { seed: 3, batch: 4, imageCount: 10 };
  const forward = samples(order, 0, 40);
  const backward = Array.from({ length: 40 }, (_, i) => samples(order, 39 - i, 40 - i)[0]!);
  expect(backward.reverse()).toEqual(forward);
  expect(samples({ ...order, batch: 8 }, 0, 40)).toEqual(forward);
});

test('epochs and seeds have orders of their own', () => {
  const order = { seed: 3, batch: 4, imageCount: 50 };
  const [first, second] = [samples(order, 0, 50), samples(order, 50, 100)];
  expect(second).not.toEqual(first);
  expect(samples({ ...order, seed: 4 }, 0, 50)).not.toEqual(first);
});

const IDS = Array.from({ length: 160 }, (_, i) => `image_${i}`);
const few = (images?: number, seed = 0) => ({ seed, data: { split: 'training', images } });

test('without a number of images, a training draws from all', () => {
  expect(trainingImages(IDS, few())).toEqual(IDS);
});

test('few-shot takes so many different images, from the whole split, the same for the same seed', () => {
  const chosen = trainingImages(IDS, few(10));
  expect(new Set(chosen).size).toBe(10);
  expect(chosen.some((id) => IDS.indexOf(id) > 100)).toBe(true);
  expect(trainingImages(IDS, few(10))).toEqual(chosen);
  expect(trainingImages(IDS, few(10, 1))).not.toEqual(chosen);
});

test('more images of the same seed are those and others', () => {
  expect(trainingImages(IDS, few(20)).slice(0, 10)).toEqual(trainingImages(IDS, few(10)));
});

test('more images than there are is refused', () => {
  expect(() => trainingImages(IDS, few(161))).toThrow(BadInput);
  expect(() => trainingImages(IDS, few(161))).toThrow(
    'train.data.images is 161, but the split training has 160 images',
  );
});
