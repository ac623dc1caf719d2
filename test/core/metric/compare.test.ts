import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { percentileInterval, resamples } from '../../../core/metric/bootstrap.ts';
import { type Bootstrap, compareMatrices } from '../../../core/metric/compare.ts';
import { type ImageMatrices, stackImages, sumOfImages } from '../../../core/metric/image-matrices.ts';
import { encodeImageMatrices } from '../../../core/metric/image-matrices-codec.ts';
import { matrixMetrics } from '../../../core/metric/metrics.ts';
import { benjaminiHochberg, twoSidedP } from '../../../core/metric/significance.ts';
import { createRandom } from '../../builders.ts';

/** A python that has numpy, such as those of the other comparisons. */
const python = process.env.TESSERA_OPENCV_PYTHON ?? process.env.TESSERA_PYTHON;

/** The same from the published file, with the whole matrices and the same resamples: quantiles, standard errors, Benjamini–Hochberg. */
const NUMPY = `
import gzip, json, math, sys
import numpy as np
def load(name):
    raw = gzip.open(name).read(); at = raw.index(b'\\n') + 1; head = json.loads(raw[:at])
    n, m, k = head['images'], head['entries'], head['classes']
    rows = np.frombuffer(raw, '<u4', n + 1, at); at += 4 * (n + 1)
    cells = np.frombuffer(raw, '<u2', m, at); at += 2 * m
    counts = np.frombuffer(raw, '<u4', m, at)
    dense = np.zeros((n, k * k), np.int64)
    for i in range(n):
        dense[i, cells[rows[i]:rows[i + 1]]] = counts[rows[i]:rows[i + 1]]
    return dense.reshape(n, k, k)
def metrics(matrix):
    hits, label, predicted = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    iou = hits / (label + predicted - hits)
    return np.concatenate([[np.nanmean(iou), np.nanmean(hits / label), hits.sum() / label.sum()], iou])
np.seterr(all='ignore')
a, b = load(sys.argv[1]), load(sys.argv[2])
times = np.array(json.load(open(sys.argv[3])))
deltas = np.array([metrics(np.tensordot(t, b, 1)) - metrics(np.tensordot(t, a, 1)) for t in times])
whole = metrics(b.sum(0)) - metrics(a.sum(0))
intervals, ps = [], []
for d, x in zip(deltas.T, whole):
    d = d[~np.isnan(d)]
    intervals.append(list(np.quantile(d, [0.025, 0.975])) if len(d) else None)
    ps.append(math.erfc(abs(x) / d.std(ddof=1) / math.sqrt(2)) if len(d) > 1 and d.std() > 0 else 1)
print(json.dumps({'intervals': intervals, 'ps': ps}))
`;

const CLASSES = 6;

/**
 * Images of a world in which a model finds most of each class, and another one finds a little more of class 1.
 * Class 4 is rare, and class 5 occurs nowhere.
 */
function world(seed: number, images: number, gain = 0.06): [ImageMatrices, ImageMatrices] {
  const random = createRandom(seed);
  const parts: [Parameters<typeof stackImages>[1], Parameters<typeof stackImages>[1]] = [[], []];
  for (let i = 0; i < images; i++) {
    const cells = [new Map<number, number>(), new Map<number, number>()] as const;
    for (let label = 0; label < 5; label++) {
      if (random() > (label === 4 ? 0.15 : 0.6)) continue;
      const pixels = Math.round(100 + 900 * random());
      const difficulty = random();
      const taken = Math.floor(4 * random());
      for (const [run, counts] of cells.entries()) {
        const share =
          0.5 + 0.4 * difficulty + 0.05 * (random() - 0.5) + (run === 1 && label === 1 ? gain : 0);
        const hits = Math.min(pixels, Math.round(share * pixels));
        const add = (prediction: number, count: number) => {
          const cell = label * CLASSES + prediction;
          if (count > 0) counts.set(cell, (counts.get(cell) ?? 0) + count);
        };
        add(label, hits);
        add(taken, pixels - hits);
      }
    }
    for (const [run, counts] of cells.entries()) {
      const entries = [...counts].sort(([a], [b]) => a - b);
      const counted = {
        labelledPixels: 0,
        cells: Uint32Array.from(entries, ([cell]) => cell),
        counts: Uint32Array.from(entries, ([, count]) => count),
      };
      parts[run as 0 | 1].push({ id: `image_${i}`, counted });
    }
  }
  return [stackImages(CLASSES, parts[0]), stackImages(CLASSES, parts[1])];
}

const difference = ([a, b]: [ImageMatrices, ImageMatrices]) =>
  matrixMetrics(sumOfImages(b)).mIoU! - matrixMetrics(sumOfImages(a)).mIoU!;

describe('the paired bootstrap', () => {
  it('agrees with numpy on the same matrices and the same resamples', ({ skip }) => {
    skip(!python, 'neither TESSERA_OPENCV_PYTHON nor TESSERA_PYTHON names a python with numpy');
    const [a, b] = world(3, 60);
    const options: Bootstrap = { resamples: 300, seed: 5, confidence: 0.95 };
    const folder = mkdtempSync(path.join(os.tmpdir(), 'tessera-numpy-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const files = ['a.gz', 'b.gz', 'times.json'].map((name) => path.join(folder, name));
    writeFileSync(files[0]!, encodeImageMatrices(a));
    writeFileSync(files[1]!, encodeImageMatrices(b));
    const times = Array.from(resamples(60, options.resamples, options.seed), (drawn) => [...drawn]);
    writeFileSync(files[2]!, JSON.stringify(times));
    const numpy = JSON.parse(execFileSync(python!, ['-c', NUMPY, ...files]).toString());
    const { mIoU, mAcc, aAcc, perClass } = compareMatrices(a, b, options);
    const near = (value: number) => expect.closeTo(value, 10);
    const expected = numpy.intervals.map((interval: number[] | null) => interval?.map(near) ?? null);
    const intervals = perClass.map(({ certainty }) => certainty?.interval ?? null);
    expect([mIoU, mAcc, aAcc, ...intervals.slice(0, 4)]).toEqual(expected.slice(0, 7));
    for (const index of [0, 1, 2, 3])
      expect(perClass[index]!.certainty!.p).toBeCloseTo(numpy.ps[3 + index], 6);
    expect(expected[8]).toBeNull();
    expect(perClass[5]).toEqual({ images: 0, certainty: null });
  });

  it('gives the same for the same seed, and other ends for another one', () => {
    const [a, b] = world(3, 60);
    const options = { resamples: 200, seed: 5, confidence: 0.95 };
    expect(compareMatrices(a, b, options)).toEqual(compareMatrices(a, b, options));
    expect(compareMatrices(a, b, { ...options, seed: 6 }).mIoU).not.toEqual(
      compareMatrices(a, b, options).mIoU,
    );
  });

  it('holds the truth about as often as its intervals say', () => {
    const truth = difference(world(1, 40_000));
    const cases = 400;
    let held = 0;
    for (let i = 0; i < cases; i++) {
      const [low, high] = compareMatrices(...world(1_000 + i, 120), {
        resamples: 300,
        seed: i,
        confidence: 0.9,
      }).mIoU!;
      if (low <= truth && truth <= high) held += 1;
    }
    // Of 400 cases, 90 % within three standard errors of 1.5 %.
    expect(held / cases).toBeGreaterThan(0.855);
    expect(held / cases).toBeLessThan(0.945);
  });

  it('marks the class that changed, and hardly ever one that did not', () => {
    let falsely = 0;
    for (let i = 0; i < 40; i++) {
      const { perClass } = compareMatrices(...world(i, 150), { resamples: 300, seed: i, confidence: 0.95 });
      expect(perClass[1]!.certainty!.significant).toBe(true);
      // Pixels of class 1 that were taken for class 0, 2, 3: these change too. Class 4 is never predicted for another one.
      if (perClass[4]!.certainty?.significant) falsely += 1;
    }
    expect(falsely).toBeLessThanOrEqual(5);
  });

  it('is far narrower than the intervals of each run alone', () => {
    const [a, b] = world(3, 200);
    const [low, high] = compareMatrices(a, b).mIoU!;
    // A perfect run has no uncertainty of its own.
    const alone = [a, b].map((run) => {
      const perfect = stackImages(
        CLASSES,
        run.ids.map((id, i) => ({ id, counted: diagonal(run, i) })),
      );
      const [from, to] = compareMatrices(run, perfect).mIoU!;
      return to - from;
    });
    expect(high - low).toBeLessThan(0.5 * Math.min(...alone));
  });

  it('leaves classes of few images, and sets of few images, without an interval', () => {
    const { mIoU, perClass } = compareMatrices(...world(3, 9), { resamples: 50, seed: 1, confidence: 0.95 });
    expect(mIoU).toBeNull();
    expect(perClass.every(({ certainty }) => certainty === null)).toBe(true);
    const rare = compareMatrices(...world(3, 30), { resamples: 50, seed: 1, confidence: 0.95 });
    expect(rare.mIoU).not.toBeNull();
    expect(rare.perClass[4]!.images).toBeLessThan(10);
    expect(rare.perClass[4]!.certainty).toBeNull();
  });

  it('finds no change between a run and itself', () => {
    const [a] = world(3, 40);
    const { mIoU, perClass } = compareMatrices(a, a, { resamples: 50, seed: 1, confidence: 0.95 });
    expect(mIoU).toEqual([0, 0]);
    expect(perClass[0]!.certainty).toEqual({ interval: [0, 0], p: 1, significant: false });
  });

  it.each<[string, (b: ImageMatrices) => ImageMatrices, RegExp]>([
    ['images', (b) => ({ ...b, ids: b.ids.with(1, 'x') }), /image 1 is image_1 in one and x in the other/],
    ['classes', (b) => ({ ...b, classes: 7 }), /of 6 and of 7 classes/],
    ['labels', (b) => ({ ...b, counts: b.counts.with(0, 9_999) }), /image_0 has \d+ label pixels of class/],
  ])('refuses other %s', (_, change, message) => {
    const [a, b] = world(3, 20);
    expect(() => compareMatrices(a, change(b))).toThrow(message);
  });
});

it('quantiles are interpolated as numpy does', () => {
  expect(percentileInterval(Float64Array.of(4, 1, 3, 2), 0.5)).toEqual([1.75, 3.25]);
  expect(percentileInterval(Float64Array.of(7), 0.95)).toEqual([7, 7]);
});

it('p and Benjamini–Hochberg are those of the books', () => {
  expect(twoSidedP(1.959964)).toBeCloseTo(0.05, 6);
  expect(twoSidedP(-4)).toBeCloseTo(6.334e-5, 8);
  expect(twoSidedP(0)).toBeCloseTo(1, 6);
  // The example of their paper: the four smallest of fifteen hold.
  const ps = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528,
    0.759, 1,
  ];
  expect(benjaminiHochberg(ps, 0.05)).toEqual(ps.map((_, i) => i < 4));
  expect(benjaminiHochberg(ps.toReversed(), 0.05)).toEqual(ps.map((_, i) => i > 10));
  expect(benjaminiHochberg([], 0.05)).toEqual([]);
});

/** One image as a perfect model would have it. */
function diagonal({ rows, cells, counts, classes }: ImageMatrices, image: number) {
  const labels = new Map<number, number>();
  for (let i = rows[image]!; i < rows[image + 1]!; i++) {
    const label = Math.floor(cells[i]! / classes);
    labels.set(label, (labels.get(label) ?? 0) + counts[i]!);
  }
  const entries = [...labels].sort(([a], [b]) => a - b);
  return {
    labelledPixels: 0,
    cells: Uint32Array.from(entries, ([label]) => label * (classes + 1)),
    counts: Uint32Array.from(entries, ([, count]) => count),
  };
}
