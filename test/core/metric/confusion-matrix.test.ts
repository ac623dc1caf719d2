import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BadData } from '../../../core/config/failures.ts';
import { addMatrix, countPixels, emptyMatrix, total } from '../../../core/metric/confusion-matrix.ts';

const IGNORE = 255;

describe('countPixels', () => {
  it('counts rows by label and columns by prediction, and leaves ignored pixels out', () => {
    const matrix = emptyMatrix(3);
    const count = () =>
      countPixels(matrix, Uint8Array.of(0, 0, 2, IGNORE), Uint8Array.of(0, 1, 1, 2), IGNORE);
    expect(count().labelledPixels).toBe(3);
    expect([...matrix.counts]).toEqual([1, 1, 0, 0, 0, 0, 0, 1, 0]);
    count();
    expect([...matrix.counts]).toEqual([2, 2, 0, 0, 0, 0, 0, 2, 0]);
  });

  it('gives the image’s own matrix, without what other images have counted', () => {
    const matrix = emptyMatrix(256);
    countPixels(matrix, Uint8Array.of(7), Uint8Array.of(7), 0);
    const { cells, counts } = countPixels(matrix, Uint8Array.of(255, 3, 255), Uint8Array.of(255, 1, 255), 0);
    expect([...cells]).toEqual([3 * 256 + 1, 256 * 256 - 1]);
    expect([...counts]).toEqual([1, 2]);
  });

  it.each([
    ['a label beyond the classes', [3], [0], /pixel 0 is class 3, should be 0 to 2/],
    ['a prediction beyond the classes', [0], [3], /prediction: pixel 0 is class 3/],
    ['a prediction beyond the classes under an ignored label', [IGNORE], [200], /class 200/],
    ['maps of different size', [0, 1], [0], /2 pixels, prediction has 1/],
  ])('refuses %s and leaves the matrix as it was', (_, labels, predictions, message) => {
    const matrix = emptyMatrix(3);
    const count = () => countPixels(matrix, Uint8Array.from(labels), Uint8Array.from(predictions), IGNORE);
    expect(count).toThrow(BadData);
    expect(count).toThrow(message);
    expect(total(matrix)).toBe(0);
  });

  it('treats a class as ignored if the dataset says so', () => {
    const matrix = emptyMatrix(3);
    expect(countPixels(matrix, Uint8Array.of(0, 1), Uint8Array.of(1, 1), 0).labelledPixels).toBe(1);
  });
});

describe('addMatrix', () => {
  it('gives the same matrix however the pixels are cut into parts', () => {
    const pixels = fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { maxLength: 200 });
    fc.assert(
      fc.property(pixels, fc.nat(200), (pairs, cut) => {
        const whole = counted(pairs);
        const parts = counted(pairs.slice(cut));
        addMatrix(parts, counted(pairs.slice(0, cut)));
        expect(parts).toEqual(whole);
        expect(total(parts)).toBe(pairs.length);
      }),
    );
  });

  it('refuses a sum that is no longer exact, and matrices of another size', () => {
    const full = emptyMatrix(1);
    full.counts[0] = Number.MAX_SAFE_INTEGER;
    const one = emptyMatrix(1);
    one.counts[0] = 1;
    expect(() => addMatrix(full, one)).toThrow(/label 0, prediction 0/);
    expect(() => addMatrix(emptyMatrix(2), one)).toThrow(BadData);
  });
});

function counted(pairs: [number, number][]) {
  const matrix = emptyMatrix(5);
  countPixels(
    matrix,
    Uint8Array.from(pairs, ([a]) => a),
    Uint8Array.from(pairs, ([, b]) => b),
    IGNORE,
  );
  return matrix;
}
