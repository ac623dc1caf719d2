import { expect, it } from 'vitest';
import { emptyMatrix } from '../../../core/metric/confusion-matrix.ts';
import { confusedClasses, worstConfusions } from '../../../core/metric/worst-confusions.ts';

it('lists confusions by pixels, without what was right, and the classes in them', () => {
  const matrix = emptyMatrix(4);
  matrix.counts.set([90, 0, 10, 0, /**/ 5, 50, 0, 0, /**/ 0, 30, 10, 0]);
  const confusions = worstConfusions(matrix);
  expect(confusions).toEqual([
    { label: 2, prediction: 1, pixels: 30, shareOfLabel: 0.75 },
    { label: 0, prediction: 2, pixels: 10, shareOfLabel: 0.1 },
    { label: 1, prediction: 0, pixels: 5, shareOfLabel: 5 / 55 },
  ]);
  expect(confusedClasses(confusions, 2)).toEqual([1, 2]);
  expect(confusedClasses(confusions, 9)).toEqual([0, 1, 2]);
});
