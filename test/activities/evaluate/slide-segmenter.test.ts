import { describe, expect, test } from 'vitest';
import {
  type ImageLogits,
  SlideSegmenter,
  type ViewLogits,
} from '../../../activities/evaluate/slide-segmenter.ts';
import { BadData } from '../../../core/config/failures.ts';
import type { RgbImage } from '../../../core/image/resize.ts';
import { cropShape } from '../../../core/model/crop-shape.ts';
import { createRandom, tinyConfig } from '../../builders.ts';

const { model } = tinyConfig();
const SIDE = model.backbone.imageSizePx;
const CROP = SIDE * SIDE * 3;
const LOGITS = model.head.classes * 2 * 2;

/** Images by their network sizes; the windows of each differ from all others. */
function jobs(...sizes: [number, number][]) {
  return sizes.map(([width, height], i) => {
    const random = createRandom(i);
    const data = Uint8Array.from({ length: width * height * 3 }, () => 256 * random());
    const image = { width, height, data };
    return { id: `image-${i}`, views: [{ image, isFlipped: false }], original: { width, height } };
  });
}

/** Stands for the network: a crop's logits say what its bytes were, and nothing of its neighbours in the batch. */
function fingerprint(crop: Uint8Array): number {
  return crop.reduce((sum, byte, i) => (sum + byte * ((i % 97) + 1)) % 1_000_003, 7);
}

function segmenterOf(batch: number) {
  const batches: Uint8Array[] = [];
  const images: ImageLogits[] = [];
  const segmenter = new SlideSegmenter(cropShape(model), batch, {
    async segment(crops) {
      batches.push(crops.slice());
      const out = new Float32Array(batch * LOGITS);
      for (let slot = 0; slot < batch; slot++)
        out.fill(
          fingerprint(crops.subarray(slot * CROP, (slot + 1) * CROP)),
          slot * LOGITS,
          (slot + 1) * LOGITS,
        );
      return out;
    },
    async onImage(image) {
      images.push(image);
    },
  });
  return { segmenter, batches, images };
}

async function segmentAll(batch: number, ...sizes: [number, number][]) {
  const run = segmenterOf(batch);
  for (const job of jobs(...sizes)) await run.segmenter.add(job);
  await run.segmenter.flush();
  return run;
}

/** An image's windows cut out one by one. */
function expectedLogits(image: RgbImage, { grid }: ViewLogits): number[] {
  return grid.tops.flatMap((top) =>
    grid.lefts.flatMap((left) => {
      const crop = Uint8Array.from({ length: CROP }, (_, i) => {
        const [y, x] = [Math.floor(i / (SIDE * 3)), i % (SIDE * 3)];
        return image.data[((top + y) * image.width + left) * 3 + x]!;
      });
      return new Array(LOGITS).fill(Math.fround(fingerprint(crop)));
    }),
  );
}

// Windows: 1, 2, 1, 4 (2 by 2), 2.
const SIZES: [number, number][] = [
  [28, 28],
  [42, 28],
  [28, 28],
  [42, 42],
  [28, 42],
];

describe('windows of several images', () => {
  test.each([1, 2, 3, 4, 8, 16])('share batches of %i, and each image gets its own back', async (batch) => {
    const { batches, images } = await segmentAll(batch, ...SIZES);
    expect(batches).toHaveLength(Math.ceil(10 / batch));
    expect(images.map(({ id }) => id)).toEqual(SIZES.map((_, i) => `image-${i}`));
    const sent = jobs(...SIZES);
    for (const [i, { views }] of images.entries())
      expect([...views[0]!.logits]).toEqual(expectedLogits(sent[i]!.views[0]!.image, views[0]!));
  });

  test('give the same logits in any order', async () => {
    const forward = await segmentAll(3, ...SIZES);
    const all = jobs(...SIZES);
    const backward = segmenterOf(3);
    for (const job of [...all].reverse()) await backward.segmenter.add(job);
    await backward.segmenter.flush();
    for (const { id, views } of backward.images) {
      const same = forward.images.find((image) => image.id === id);
      expect(views).toEqual(same?.views);
    }
  });
});

test('an image is given as soon as its last window has run, not at the end', async () => {
  const { segmenter, images } = segmenterOf(2);
  const [first, second] = jobs([28, 28], [42, 28]);
  await segmenter.add(first!);
  expect(images).toHaveLength(0);
  await segmenter.add(second!);
  // Windows: first, second's first | second's second is still waiting.
  expect(images.map(({ id }) => id)).toEqual(['image-0']);
  await segmenter.flush();
  expect(images.map(({ id }) => id)).toEqual(['image-0', 'image-1']);
});

test('only the last batch is padded, and a flush without windows runs nothing', async () => {
  const { segmenter, batches } = await segmentAll(4, ...SIZES);
  expect(batches).toHaveLength(3);
  const prints = batches.flatMap((crops) =>
    [0, 1, 2, 3].map((slot) => fingerprint(crops.subarray(slot * CROP, (slot + 1) * CROP))),
  );
  // Ten windows that all differ; the two slots beyond them hold what they last held.
  expect(new Set(prints.slice(0, 10)).size).toBe(10);
  await segmenter.flush();
  expect(batches).toHaveLength(3);
});

test('an image that is smaller than a crop is BadData by its id, and spoils nothing', async () => {
  const { segmenter, images } = segmenterOf(2);
  const [good, small] = jobs([28, 28], [42, 14]);
  await segmenter.add(good!);
  await expect(segmenter.add(small!)).rejects.toThrow(BadData);
  await expect(segmenter.add(small!)).rejects.toThrow(
    'image-1: 14×42 px after resizing, but slide mode needs at least 28×28',
  );
  await segmenter.flush();
  expect(images.map(({ id }) => id)).toEqual(['image-0']);
});

test('whole mode wants exactly the size of a crop', async () => {
  const whole = new SlideSegmenter({ ...cropShape(model), test: { mode: 'whole' } }, 1, {
    segment: async () => new Float32Array(LOGITS),
    onImage: async () => {},
  });
  await expect(whole.add(jobs([42, 28])[0]!)).rejects.toThrow('but whole mode needs exactly 28×28');
});

test('views of one image may lie in different batches, and come back together', async () => {
  const { segmenter, images } = segmenterOf(4);
  const [a, b] = jobs([42, 28], [42, 42]);
  const views = [a!.views[0]!, { image: b!.views[0]!.image, isFlipped: true }];
  await segmenter.add({ id: 'both', views, original: a!.original });
  expect(images).toHaveLength(0);
  await segmenter.flush();
  expect(images).toHaveLength(1);
  for (const [i, view] of images[0]!.views.entries()) {
    expect(view.isFlipped).toBe(i === 1);
    expect([...view.logits]).toEqual(expectedLogits(views[i]!.image, view));
  }
});
