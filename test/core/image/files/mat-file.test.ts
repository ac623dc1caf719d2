import { describe, expect, test } from 'vitest';
import { BadData } from '../../../../core/config/failures.ts';
import { readMatLabels } from '../../../../core/image/files/mat-file.ts';
import { type MatVariable, matOf } from '../../../activities/stage/hand-made-mat.ts';

const S: MatVariable = { name: 'S', width: 3, height: 2, values: [1, 2, 3, 4, 5, 182] };
const OTHER: MatVariable = { name: 'regionMapStuff', width: 1, height: 1, values: [9], stored: 'double' };

describe('a label map of MATLAB', () => {
  test.each<[string, Buffer]>([
    ['compressed', matOf([OTHER, S])],
    ['not compressed', matOf([OTHER, S], { compressed: false })],
    ['in doubles', matOf([{ ...S, stored: 'double' }])],
    ['named LabelMap', matOf([{ ...S, name: 'LabelMap', stored: 'uint16' }])],
  ])('%s is read row by row', (_, file) => {
    expect(readMatLabels(file, 'a.mat')).toEqual({
      width: 3,
      height: 2,
      data: Uint8Array.of(1, 2, 3, 4, 5, 182),
    });
  });

  test('of more than 255 labels has 16 bits', () => {
    const values = [1, 2, 3, 4, 5, 459];
    const { data } = readMatLabels(matOf([{ ...S, values, stored: 'uint16' }]), 'a.mat');
    expect(data).toEqual(Uint16Array.from(values));
  });
});

test.each<[string, Buffer, RegExp]>([
  [
    'no MATLAB file',
    Buffer.alloc(200),
    /a\.mat: not a readable annotation: not a MATLAB file of version 5 to 7/,
  ],
  ['one without a label map', matOf([OTHER]), /it has no variable S or LabelMap/],
  ['one that is cut off', matOf([S]).subarray(0, -9), /it is cut off or damaged/],
  [
    'a variable that is cut off',
    matOf([S], { compressed: false }).subarray(0, -9),
    /it is cut off or damaged/,
  ],
  [
    'values that are no labels',
    matOf([{ ...S, values: [0, 1, 2, 3, 4, 0.5], stored: 'double' }]),
    /are no labels/,
  ],
  ['damaged data', matOf([S]).fill(7, 140), /a\.mat: not a readable annotation: /],
  ['an empty file', Buffer.alloc(0), /a\.mat: not a readable annotation: /],
])('%s is BadData', (_, file, message) => {
  expect(() => readMatLabels(file, 'a.mat')).toThrow(BadData);
  expect(() => readMatLabels(file, 'a.mat')).toThrow(message);
});
