import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ImageLogits } from '../../../activities/evaluate/slide-segmenter.ts';
import { Stitcher } from '../../../activities/evaluate/stitcher.ts';
import type { Labels } from '../../../core/image/label-map.ts';
import { cropShape } from '../../../core/model/crop-shape.ts';
import { slideWindows, windowCount } from '../../../core/model/slide-windows.ts';
import { TILE_ROWS } from '../../../core/model/stitch-graph.ts';
import { stitchMatrix } from '../../../core/model/stitch-matrix.ts';
import { createRandom, tinyConfig } from '../../builders.ts';
import { type Maps, slideLogits } from './slide-reference.ts';

const CPU = { device: 'cpu' as const, threads: 1 };
const CLASSES = 5;
const LOW = 3;
const SHAPE = { classes: CLASSES, low: LOW };
const { model } = {
  model: {
    ...tinyConfig().model,
    backbone: { ...tinyConfig().model.backbone, imageSizePx: LOW * 14 },
    head: { ...tinyConfig().model.head, classes: CLASSES },
    test: { mode: 'slide' as const, cropPx: LOW * 14, stridePx: 25 },
  },
};

test('each output pixel is an average: the rows of a stitch matrix sum to 1', () => {
  fc.assert(
    fc.property(
      fc.record({
        low: fc.integer({ min: 1, max: 8 }),
        crop: fc.integer({ min: 8, max: 40 }),
        stride: fc.integer({ min: 1, max: 40 }),
        more: fc.nat(60),
        out: fc.integer({ min: 1, max: 120 }),
      }),
      ({ low, crop, stride, more, out }) => {
        const network = crop + more;
        const starts = windowStarts(network, crop, Math.min(stride, crop));
        const matrix = stitchMatrix(low, crop, starts, network, out);
        const width = starts.length * low;
        expect(matrix.length).toBe(out * width);
        for (let row = 0; row < out; row++) {
          const weights = matrix.subarray(row * width, (row + 1) * width);
          expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
          expect(Math.min(...weights)).toBeGreaterThanOrEqual(0);
        }
      },
    ),
  );
});

describe('stitching equals averaging the windows at full size and resizing twice', () => {
  test.each([
    // network's size, original's size; TILE_ROWS is 32
    { name: 'one window, height of one tile', network: [42, 42], original: [TILE_ROWS, 40] },
    { name: 'fewer rows than a tile', network: [42, 70], original: [17, 29] },
    { name: 'no multiple of a tile', network: [84, 56], original: [2 * TILE_ROWS + 7, 50] },
    { name: 'one row more than a tile', network: [56, 56], original: [TILE_ROWS + 1, 61] },
    { name: 'enlarged, a window moved inward', network: [56, 98], original: [91, 160] },
    { name: 'as large as the network sees it', network: [70, 84], original: [70, 84] },
  ])('$name', async ({ network, original }) => {
    const image = windowLogits(size(network), size(original));
    const expected = slideLogits(image.views[0]!, image.original, SHAPE);

    await using toLogits = await Stitcher.open(cropShape(model), 1, CPU, 'scores');
    const logits = await toLogits.scores(image);
    expect(logits.length).toBe(CLASSES * original[0]! * original[1]!);
    expect(largestDifference(logits, expected.data)).toBeLessThan(1e-5);

    await using toLabels = await Stitcher.open(cropShape(model), 1, CPU);
    const labels = await toLabels.labels(image);
    expect(labels.length).toBe(original[0]! * original[1]!);
    expect(wrongLabels(labels, expected)).toEqual([]);
  });
});

test('several views are averaged as probabilities, a mirrored one mirrored back', async () => {
  const original = { height: 45, width: 61 };
  const plain = windowLogits({ width: 56, height: 42 }, original).views[0]!;
  const mirrored = { ...windowLogits({ width: 84, height: 70 }, original).views[0]!, isFlipped: true };
  const [first, second] = [plain, mirrored].map((view) => softmax(slideLogits(view, original, SHAPE)));
  const { width } = original;
  const expected = first!.data.map((p, i) => {
    const x = i % width;
    return (p + second!.data[i - x + (width - 1 - x)]!) / 2;
  });
  const image = { id: 'some-image', original, views: [plain, mirrored] };
  await using toScores = await Stitcher.open(cropShape(model), 2, CPU, 'scores');
  expect(largestDifference(await toScores.scores(image), expected)).toBeLessThan(1e-6);
  await using toLabels = await Stitcher.open(cropShape(model), 2, CPU);
  expect(wrongLabels(await toLabels.labels(image), { ...first!, data: expected })).toEqual([]);
});

test('logits that are not finite are refused, naming the image', async () => {
  await using stitcher = await Stitcher.open(cropShape(model), 1, CPU);
  const image = windowLogits({ width: 42, height: 42 }, { width: 42, height: 42 });
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    image.views[0]!.logits[7] = bad;
    await expect(stitcher.labels(image)).rejects.toThrow(/some-image: the model's logits are not finite/);
  }
});

function size([height, width]: number[]) {
  return { height: height!, width: width! };
}

function windowLogits(
  network: { width: number; height: number },
  original: { width: number; height: number },
): ImageLogits {
  const grid = slideWindows(network, cropShape(model))!;
  const random = createRandom(network.width * 1000 + original.height);
  const logits = Float32Array.from(
    { length: windowCount(grid) * CLASSES * LOW * LOW },
    () => 6 * random() - 3,
  );
  return { id: 'some-image', original, views: [{ size: network, isFlipped: false, grid, logits }] };
}

function softmax(maps: Maps): Maps {
  const pixels = maps.height * maps.width;
  const data = maps.data.map((value, i) => {
    let sum = 0;
    for (let c = 0; c < maps.channels; c++) sum += Math.exp(maps.data[c * pixels + (i % pixels)]! - value);
    return 1 / sum;
  });
  return { ...maps, data };
}

function windowStarts(side: number, crop: number, stride: number): number[] {
  const starts = [];
  for (let start = 0; start < side - crop; start += stride) starts.push(start);
  return [...starts, side - crop];
}

function largestDifference(actual: Float32Array, expected: Float64Array): number {
  return actual.reduce((largest, value, i) => Math.max(largest, Math.abs(value - expected[i]!)), 0);
}

/** Pixels whose label isn't the best class, near-ties apart. */
function wrongLabels(labels: Labels, { data, height, width }: Maps): number[] {
  const at = (label: number, pixel: number) => data[label * height * width + pixel]!;
  return [...labels.keys()].filter((pixel) => {
    const best = Math.max(...Array.from({ length: CLASSES }, (_, label) => at(label, pixel)));
    return best - at(labels[pixel]!, pixel) > 1e-5;
  });
}
