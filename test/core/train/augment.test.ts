import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TrainSchema } from '../../../core/config/train.ts';
import { augment, drawSize, drawWindow } from '../../../core/train/augment.ts';
import { drawsAt } from '../../../core/train/draws.ts';
import { distort } from '../../../core/train/photometric.ts';

const augmentation = TrainSchema.shape.augmentation.parse({ longPx: 64, shortPx: 16 });
const CROP = 16;

/** An image whose pixels say where they are, and labels of two classes side by side. */
function labelled(width: number, height: number) {
  const data = new Uint8Array(width * height * 3);
  const labels = new Uint8Array(width * height);
  for (let i = 0; i < width * height; i++) {
    data.set([(i % width) * 4, Math.floor(i / width) * 4, i % 251], i * 3);
    labels[i] = i % width < width / 2 ? 3 : 5;
  }
  return { image: { width, height, data }, labels: { width, height, data: labels } };
}

/** Draws that say how many there were. */
function counted(seed: number) {
  const draws = drawsAt(seed);
  let integers = 0;
  const integer = (low: number, high: number) => {
    integers++;
    return draws.integer(low, high);
  };
  return { ...draws, integer, integers: () => integers };
}

const size = fc.integer({ min: 1, max: 60 });

test('a crop is never larger than asked for, its labels are of its size, and nothing is changed in place', () => {
  fc.assert(
    fc.property(size, size, fc.nat(), (width, height, seed) => {
      const before = labelled(width, height);
      const { image, labels } = augment(before, { augmentation, cropPx: CROP, draws: drawsAt(seed) });
      expect(image.width).toBeLessThanOrEqual(CROP);
      expect(image.height).toBeLessThanOrEqual(CROP);
      expect([labels.width, labels.height]).toEqual([image.width, image.height]);
      expect(image.data).toHaveLength(image.width * image.height * 3);
      expect(labels.data).toHaveLength(image.width * image.height);
      expect(before).toEqual(labelled(width, height));
    }),
  );
});

test('the same draws give the same view, others another', () => {
  const view = (seed: number) =>
    augment(labelled(50, 40), { augmentation, cropPx: CROP, draws: drawsAt(seed) });
  expect(view(1)).toEqual(view(1));
  expect(view(2)).not.toEqual(view(1));
});

test('image and labels are mirrored together', () => {
  const plain = { ...augmentation, ratioRange: [1, 1] as [number, number], photometricDistortion: false };
  const view = (flip: number) =>
    augment(labelled(16, 16), { augmentation: { ...plain, flip }, cropPx: CROP, draws: drawsAt(0) });
  const [straight, mirrored] = [view(0), view(1)];
  expect([...straight.labels.data.subarray(0, 16)]).toEqual([3, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5]);
  expect([...mirrored.labels.data.subarray(0, 16)]).toEqual([5, 5, 5, 5, 5, 5, 5, 5, 3, 3, 3, 3, 3, 3, 3, 3]);
  expect(mirrored.image.data.subarray(0, 3)).toEqual(straight.image.data.subarray(45, 48));
});

describe('a size', () => {
  const ratio = (uniform: number) => ({ ...drawsAt(0), uniform: () => uniform });

  test('fits the scaled box, and keeps the ratio of sides', () => {
    // 0.5 of 64×16 is 32×8: the short side decides; a very wide image is held by the long one.
    expect(drawSize({ width: 40, height: 20 }, augmentation, ratio(0))).toEqual({ width: 16, height: 8 });
    expect(drawSize({ width: 300, height: 30 }, augmentation, ratio(0))).toEqual({ width: 32, height: 3 });
    expect(drawSize({ width: 40, height: 20 }, augmentation, ratio(0.5))).toEqual({ width: 40, height: 20 });
  });

  test('is a pixel at least, where the original fails', () => {
    expect(drawSize({ width: 3000, height: 1 }, augmentation, ratio(0)).height).toBe(1);
  });
});

describe('a crop', () => {
  const varied = { width: 40, height: 40, data: Uint8Array.from({ length: 1600 }, (_, i) => i % 2) };
  const uniform = { ...varied, data: new Uint8Array(1600) };
  const mostlyOne = { ...varied, data: Uint8Array.from({ length: 1600 }, (_, i) => (i % 4 === 0 ? 1 : 0)) };
  const ignored = { ...varied, data: Uint8Array.from({ length: 1600 }, (_, i) => (i % 2 ? 255 : 1)) };

  test.each([
    ['of several classes is taken at once', varied, 0.75, 2],
    ['of one class is drawn again, ten times and no more', uniform, 0.75, 22],
    ['of which a class covers just the limit is drawn again', mostlyOne, 0.75, 22],
    ['of which a class covers less than the limit is taken', mostlyOne, 0.76, 2],
    ['of one class beside what is ignored is drawn again', ignored, 0.75, 22],
    ['of one class is taken where there is no limit', uniform, 1, 2],
  ])('%s', (_, labels, catMaxRatio, integers) => {
    const draws = counted(0);
    drawWindow(labels, CROP, catMaxRatio, draws);
    expect(draws.integers()).toBe(integers);
  });

  test('lies in the image, reaches its edges, and is the whole of a side that is smaller', () => {
    const windows = Array.from({ length: 200 }, (_, seed) =>
      drawWindow({ ...varied, width: 10, height: 20 }, CROP, 1, drawsAt(seed)),
    );
    for (const { left, width, height } of windows) expect([left, width, height]).toEqual([0, 10, 16]);
    expect([...new Set(windows.map(({ top }) => top))].sort()).toEqual([0, 1, 2, 3, 4]);
  });
});

test('colours are changed in half of the cases each, and a picture without colour stays without', () => {
  const grey = { width: 2, height: 1, data: Uint8Array.of(90, 90, 90, 200, 200, 200) };
  const red = { width: 1, height: 1, data: Uint8Array.of(200, 80, 40) };
  let same = 0;
  for (let seed = 0; seed < 1000; seed++) {
    const [r, g, b] = distort(grey, drawsAt(seed)).data;
    expect([g, b]).toEqual([r, r]);
    if (String(distort(red, drawsAt(seed)).data) === String(red.data)) same++;
  }
  // All four left out: 1 in 16, and some more that change nothing.
  expect(same).toBeGreaterThan(40);
  expect(same).toBeLessThan(110);
});
