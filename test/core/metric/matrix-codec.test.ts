import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BadData, BadInput } from '../../../core/config/failures.ts';
import { type ConfusionMatrix, emptyMatrix } from '../../../core/metric/confusion-matrix.ts';
import {
  decodeMatrix,
  encodeMatrix,
  encodePayload,
  matrixFromBytes,
  matrixToBytes,
} from '../../../core/metric/matrix-codec.ts';

const matrices = fc.integer({ min: 1, max: 20 }).chain((classes) =>
  fc
    .array(fc.oneof(fc.constant(0), fc.nat(5000), fc.maxSafeNat()), {
      minLength: classes * classes,
      maxLength: classes * classes,
    })
    .map((counts): ConfusionMatrix => ({ classes, counts: Float64Array.from(counts) })),
);

describe('matrix codec', () => {
  it('gives back every matrix from its text and from its bytes', () => {
    fc.assert(
      fc.property(matrices, (matrix) => {
        expect(decodeMatrix(encodeMatrix(matrix))).toEqual(matrix);
        expect(matrixFromBytes(matrixToBytes(matrix))).toEqual(matrix);
      }),
    );
  });

  it("refuses a shard's matrix that Temporal would not take, and not one of ADE20K full as it is", () => {
    const usual = emptyMatrix(847);
    // 15,000 pairs of classes: ten times what a shard of ADE20K meets.
    for (let i = 0; i < 15_000; i++) usual.counts[47 * i] = 1 + (i % 50_000);
    const of = { name: 'a shard of 32 images', remedy: 'more run.shards make smaller ones' };
    expect(decodeMatrix(encodePayload(usual, of))).toEqual(usual);
    const full = emptyMatrix(847);
    full.counts.fill(1000);
    expect(() => encodePayload(full, of)).toThrow(BadInput);
    expect(() => encodePayload(full, of)).toThrow(
      /matrix of a shard of 32 images, 847 classes, takes \d+ characters; .*: more run\.shards/,
    );
  });

  it('never fails in another way than BadData, whatever the text', () => {
    const digits = 'ABCghi019+/ é';
    const texts = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...digits) }));
    fc.assert(
      fc.property(texts, (text) => {
        try {
          // What is accepted is exactly what the encoder writes, but for spare zero digits.
          expect(decodeMatrix(encodeMatrix(decodeMatrix(text)))).toEqual(decodeMatrix(text));
        } catch (error) {
          expect(error).toBeInstanceOf(BadData);
        }
      }),
    );
  });

  it('stays below 8 KB for a shard of ADE20K, and below 160 KB for the worst case', () => {
    const shard = emptyMatrix(150);
    for (let i = 0; i < 1500; i++) shard.counts[i * 15] = 1 + ((i * 7919) % 30_000);
    expect(encodeMatrix(shard).length).toBeLessThan(8_000);

    const dense = emptyMatrix(150);
    dense.counts.fill(2 ** 30 - 1);
    expect(encodeMatrix(dense).length).toBeLessThan(160_000);
  });

  it('refuses a matrix whose entries are no counts', () => {
    for (const count of [-1, 0.5, 2 ** 53, Number.NaN]) {
      const matrix = { classes: 1, counts: Float64Array.of(count) };
      expect(() => encodeMatrix(matrix)).toThrow(BadData);
      expect(() => matrixToBytes(matrix)).toThrow(BadData);
    }
  });

  it.each([
    ['empty', ''],
    ['cut in mid-number', 'gB'.slice(0, 1)],
    ['of no classes', 'A'],
    ['with more entries than the matrix', 'BABAB'],
    ['with a zero written out', 'BAA'],
    ['with foreign characters', 'B!!'],
    ['with a number that never ends', `B${'g'.repeat(40)}`],
  ])('refuses a text that is %s', (_, text) => {
    expect(() => decodeMatrix(text)).toThrow(BadData);
  });

  it('refuses bytes that are no square matrix of counts', () => {
    expect(() => matrixFromBytes(new Uint8Array(24))).toThrow(BadData);
    expect(() => matrixFromBytes(new Uint8Array(0))).toThrow(BadData);
    expect(() => matrixFromBytes(new Uint8Array(8).fill(255))).toThrow(/is -1/);
  });

  it('writes int64 little-endian with rows for labels', () => {
    const matrix = emptyMatrix(2);
    matrix.counts[1] = 258; // label 0, prediction 1
    expect([...matrixToBytes(matrix).subarray(8, 12)]).toEqual([2, 1, 0, 0]);
  });
});
