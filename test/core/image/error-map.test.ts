import { expect, test } from 'vitest';
import { errorMap } from '../../../core/image/error-map.ts';

const size = { width: 2, height: 2 };

test('an error is a pixel that is labelled and predicted as another class', () => {
  const map = errorMap(Uint8Array.of(1, 2, 255, 255), Uint8Array.of(1, 3, 3, 255), size, size);
  const [right, wrong, unlabelled, neither] = [0, 4, 8, 12].map((at) => [...map.subarray(at, at + 4)]);
  expect(right).toEqual([0, 0, 0, 0]);
  expect(wrong!.slice(0, 3)).toEqual([230, 57, 70]);
  expect(unlabelled).not.toEqual(wrong);
  expect(unlabelled![3]).toBeGreaterThan(0);
  expect(neither).toEqual(unlabelled);
});

test('a smaller map takes the nearest pixels', () => {
  const truth = Uint8Array.from({ length: 16 }, (_, i) => (i % 4 < 2 ? 0 : 1));
  const map = errorMap(truth, new Uint8Array(16), { width: 4, height: 4 }, size);
  expect([3, 7, 11, 15].map((i) => map[i])).toEqual([0, 205, 0, 205]);
});
