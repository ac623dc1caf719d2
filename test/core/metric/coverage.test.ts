import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BadData } from '../../../core/config/failures.ts';
import {
  type CoverageInput,
  partialCoverage,
  proveCoverage,
  type ShardEvidence,
} from '../../../core/metric/coverage.ts';

const digest = (text: string) => createHash('sha256').update(text).digest('hex');

/** A finished run over images i0, i1, …, cut into shards of these sizes. */
function finishedRun(sizes: number[]): CoverageInput & { evidence: ShardEvidence[] } {
  const imageIds = Array.from({ length: sizes.reduce((a, b) => a + b, 0) }, (_, i) => `i${i}`);
  let first = 0;
  const shards = sizes.map((count, shard) => {
    first += count;
    return { shard, first: first - count, count };
  });
  const evidence = shards.map(({ shard, ...range }) => {
    const images = imageIds.slice(range.first, range.first + range.count).map((id) => ({
      id,
      predictionSha256: digest(id),
      labelledPixels: 100 + Number(id.slice(1)),
    }));
    return { shard, images, matrixTotal: images.reduce((sum, image) => sum + image.labelledPixels, 0) };
  });
  return { imageIds, shards, evidence };
}

describe('proveCoverage', () => {
  it('gives the same proof for any cut into shards and any order of arrival', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.nat()), (cut, keys) => {
        const run = finishedRun(cut);
        const arrived = run.evidence
          .map((shard) => ({ shard, key: keys.next().value }))
          .sort((a, b) => a.key - b.key)
          .map(({ shard }) => ({ ...shard, images: [...shard.images].reverse() }));
        expect(proveCoverage({ ...run, evidence: arrived })).toEqual(
          proveCoverage(finishedRun([run.imageIds.length])),
        );
      }),
    );
  });

  it('digests the predictions in the order of the manifest', () => {
    const run = finishedRun([1, 2]);
    const hash = createHash('sha256');
    for (const id of run.imageIds) hash.update(Buffer.from(digest(id), 'hex'));
    expect(proveCoverage(run)).toEqual({
      images: 3,
      labelledPixels: 303,
      predictionsSha256: hash.digest('hex'),
    });
  });

  it.each<[string, (evidence: ShardEvidence[]) => ShardEvidence[], RegExp]>([
    ['a missing shard', ([a]) => [a!], /7 missing: i2, i3, i4, i5, i6 and 2 more/],
    ['a shard that was added twice', ([a, b]) => [a!, b!, a!], /2 doubled: i0, i1$/],
    [
      'an image that is not in the manifest',
      ([a, b]) => [a!, { ...b!, images: [...b!.images, { ...b!.images[0]!, id: 'cat' }] }],
      /1 unexpected: cat$/,
    ],
    [
      'images in each other’s shard',
      ([a, b]) => [
        { ...a!, shard: 1 },
        { ...b!, shard: 0 },
      ],
      /9 in the wrong shard: i0 \(in shard 1, planned for 0\)/,
    ],
    [
      'a matrix with one pixel too many',
      ([a, b]) => [a!, { ...b!, matrixTotal: b!.matrixTotal + 1 }],
      /shard 1 has \d+ pixels in its confusion matrix, but its images have/,
    ],
    [
      'pixels that only add up over two shards',
      ([a, b]) => [
        { ...a!, matrixTotal: a!.matrixTotal - 1 },
        { ...b!, matrixTotal: b!.matrixTotal + 1 },
      ],
      /shard 0 has/,
    ],
    [
      'a digest that is none',
      ([a, b]) => [{ ...a!, images: a!.images.map((i) => ({ ...i, predictionSha256: 'abc' })) }, b!],
      /image i0 has the digest 'abc'/,
    ],
  ])('refuses %s', (_, damage, message) => {
    const run = finishedRun([2, 7]);
    const prove = () => proveCoverage({ ...run, evidence: damage(run.evidence) });
    expect(prove).toThrow(BadData);
    expect(prove).toThrow(message);
  });

  it('refuses a plan that leaves images out, overlaps, or a manifest with an id twice', () => {
    const run = finishedRun([2, 2]);
    expect(() => proveCoverage({ ...run, shards: run.shards.slice(0, 1) })).toThrow(/hold 2 images/);
    expect(() =>
      proveCoverage({ ...run, shards: [run.shards[0]!, { shard: 1, first: 1, count: 3 }] }),
    ).toThrow(/shard 1 is images 1 to 3, should start at image 2/);
    expect(() => proveCoverage({ ...run, imageIds: ['a', 'b', 'a', 'c'] })).toThrow(/1 doubled: a/);
  });
});

describe('of a run that has spent its budget', () => {
  const run = finishedRun([2, 1, 3, 2]);
  const evidence = [run.evidence[0]!, run.evidence[1]!, run.evidence[3]!];

  it('the shards that were done are proven, and said to be of the whole', () => {
    const { images, labelledPixels } = proveCoverage({ ...run, evidence, isPartial: true });
    expect({ images, labelledPixels }).toEqual({ images: 5, labelledPixels: 100 + 101 + 102 + 106 + 107 });
    expect(partialCoverage(run.shards, new Set([0, 1, 3]))).toEqual({
      images: 5,
      ofImages: 8,
      shards: 3,
      ofShards: 4,
      ranges: [
        { first: 0, count: 3 },
        { first: 6, count: 2 },
      ],
    });
  });

  it('a shard without one of its images is refused, and without a budget so is a missing shard', () => {
    const [whole, ...others] = evidence;
    const short = { ...whole!, images: whole!.images.slice(1) };
    expect(() => proveCoverage({ ...run, evidence: [short, ...others], isPartial: true })).toThrow(
      '1 missing: i0',
    );
    expect(() => proveCoverage({ ...run, evidence })).toThrow('3 missing: i3, i4, i5');
  });
});
