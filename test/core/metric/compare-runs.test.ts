import { describe, expect, it } from 'vitest';
import { ComparisonSchema } from '../../../core/config/comparison.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { compareRuns, type PublishedRun } from '../../../core/metric/compare-runs.ts';
import { emptyMatrix } from '../../../core/metric/confusion-matrix.ts';
import { type ImageMatrices, stackImages, sumOfImages } from '../../../core/metric/image-matrices.ts';
import { createRandom } from '../../builders.ts';
import { resultsOf } from '../../page/comparison.ts';

const CLASSES = 150;
const BOOTSTRAP = { resamples: 100, seed: 1, confidence: 0.95 };

/** Forty images of classes 0 to 3, of which this share of class 2 is found; class 3 occurs in three of them. */
function images(found: number): ImageMatrices {
  const random = createRandom(4);
  return stackImages(
    CLASSES,
    Array.from({ length: 40 }, (_, i) => {
      const hits = Math.round(1000 * (found + 0.02 * random()));
      const entries = [
        [0, 900 + (i % 7)],
        [151, 500],
        [2 * CLASSES, 1000 - hits],
        [2 * 151, hits],
        ...(i < 3 ? [[3 * 151, 50]] : []),
      ];
      return {
        id: `image_${i}`,
        counted: {
          labelledPixels: 0,
          cells: Uint32Array.from(entries, ([cell]) => cell!),
          counts: Uint32Array.from(entries, ([, count]) => count!),
        },
      };
    }),
  );
}

async function run(name: string, found: number): Promise<PublishedRun> {
  const perImage = images(found);
  return { name, results: await resultsOf(name, sumOfImages(perImage), 40), perImage };
}

describe('runs are compared', () => {
  it('by what matters most first, with what is certain about it', async () => {
    const [a, b] = [await run('a', 0.5), await run('b', 0.6)];
    const comparison = compareRuns(a, [b], BOOTSTRAP);
    expect(ComparisonSchema.parse(comparison)).toEqual(comparison);
    const [{ mIoU, perClass, notes }] = comparison.comparisons as [Comparison];
    expect(mIoU.before).toBe(a.results.metrics.mIoU);
    expect(mIoU.difference).toBe(b.results.metrics.mIoU! - a.results.metrics.mIoU!);
    const [low, high] = mIoU.interval!;
    expect(low).toBeGreaterThan(0);
    expect(mIoU.difference!).toBeGreaterThan(low);
    expect(mIoU.difference!).toBeLessThan(high);
    expect(perClass).toHaveLength(CLASSES);
    expect(perClass.slice(0, 2).map(({ class: index, significant }) => [index, significant])).toEqual([
      [2, true],
      [0, true],
    ]);
    expect(perClass.find(({ class: index }) => index === 3)).toMatchObject({
      images: 3,
      interval: null,
      significant: null,
    });
    expect(perClass.at(-1)).toMatchObject({ before: null, difference: null, interval: null });
    expect(notes.join()).toMatch(/Of 3 intervals/);
  });

  it('without intervals where one is of a version that kept no per-image matrices', async () => {
    const [a, b] = [await run('old', 0.5), await run('new', 0.6)];
    const { comparisons } = compareRuns({ ...a, perImage: null }, [b], BOOTSTRAP);
    const [{ mIoU, perClass, notes }] = comparisons as [Comparison];
    expect(mIoU).toMatchObject({
      interval: null,
      difference: b.results.metrics.mIoU! - a.results.metrics.mIoU!,
    });
    expect(perClass[0]).toMatchObject({ class: 2, interval: null, images: null, significant: null });
    expect(notes).toEqual([expect.stringMatching(/^No intervals: old has no per-image matrices/)]);
  });

  it('not where a budget has ended one before its last image', async () => {
    const [a, b] = [await run('a', 0.5), await run('b', 0.6)];
    const partial = {
      images: 10,
      ofImages: 40,
      shards: 1,
      ofShards: 4,
      ranges: [{ first: 0, count: 10 }],
      reason: 'a budget of 1 hour was spent',
      metrics: b.results.metrics,
    };
    const compare = () => compareRuns(a, [{ ...b, results: { ...b.results, partial } }], BOOTSTRAP);
    expect(compare).toThrow(/^b: its results are of 10 of 40 images \(a budget of 1 hour was spent\)/);
  });

  it('several at once, each with the first one', async () => {
    const runs = [await run('a', 0.5), await run('b', 0.6), await run('c', 0.5)];
    const { baseline, comparisons } = compareRuns(runs[0]!, runs.slice(1), BOOTSTRAP);
    expect([baseline.name, ...comparisons.map(({ run }) => run.name)]).toEqual(['a', 'b', 'c']);
    expect(comparisons[1]!.mIoU).toMatchObject({ difference: 0, interval: [0, 0] });
  });

  type Change = (results: PublishedRun['results']) => PublishedRun['results'];
  it.each<[string, Change, RegExp]>([
    [
      'images',
      (results) => ({
        ...results,
        inputs: { ...results.inputs, dataset: { ...results.inputs.dataset, sha256: 'f'.repeat(64) } },
      }),
      /^a and b are of different datasets: ADE20K, validation, \d+ images \(manifest [0-9a-f]{8}\) and .*ffffffff/,
    ],
    [
      'classes',
      (results) => ({
        ...results,
        perClass: results.perClass.map((row) => ({ ...row, name: row.name.replace('sky', 'air') })),
      }),
      /different class lists: 150 and 150 classes; class 2 is sky and air/,
    ],
    [
      'labels',
      (results) => ({
        ...results,
        perClass: results.perClass.map((row) => ({ ...row, labelPixels: row.labelPixels + 1 })),
      }),
      /read the labels in different ways: class wall has \d+ and \d+ label pixels/,
    ],
  ])('only on the same %s', async (_, change, message) => {
    const [a, b] = [await run('a', 0.5), await run('b', 0.6)];
    const compare = () => compareRuns(a, [{ ...b, results: change(b.results) }], BOOTSTRAP);
    expect(compare).toThrow(BadInput);
    expect(compare).toThrow(message);
  });
});

it('an empty matrix has no mIoU, and so no difference', async () => {
  const results = await resultsOf('x', emptyMatrix(CLASSES), 40);
  const [change] = compareRuns({ name: 'x', results, perImage: null }, [
    { name: 'y', results, perImage: null },
  ]).comparisons;
  expect(change!.mIoU).toEqual({ before: null, after: null, difference: null, interval: null });
});

type Comparison = ReturnType<typeof compareRuns>['comparisons'][number];
