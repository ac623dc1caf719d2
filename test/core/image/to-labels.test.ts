import { describe, expect, test } from 'vitest';
import { BadData } from '../../../core/config/failures.ts';
import { parseConfig } from '../../../core/config/parse.ts';
import { ignoredLabelOf, toLabels } from '../../../core/image/to-labels.ts';
import { TINY } from '../../builders.ts';

function configOf(classes: number, dataset: Record<string, unknown>) {
  const head = { ...TINY.model.head, classes };
  const { reduceZeroLabel: _, ...section } = TINY.dataset;
  const given = { ...section, classes: 'some', reduceZeroLabel: false, ...dataset };
  return parseConfig({ ...TINY, model: { ...TINY.model, head }, dataset: given }, 'test');
}

function labels(config: ReturnType<typeof configOf>, ...values: number[]) {
  const data = Math.max(...values) > 255 ? Uint16Array.from(values) : Uint8Array.from(values);
  return toLabels({ width: values.length, height: 1, data }, config, 'a.png').data;
}

describe('values of a file become classes', () => {
  test('as they are; the ignored one stays', () => {
    expect(labels(configOf(3, {}), 0, 2, 255)).toEqual(Uint8Array.of(0, 2, 255));
    expect(labels(configOf(3, { ignoreIndex: 9 }), 0, 9)).toEqual(Uint8Array.of(0, 9));
    // Of Mapillary the last class is ignored.
    expect(labels(configOf(3, { ignoreIndex: 2 }), 0, 1, 2)).toEqual(Uint8Array.of(0, 1, 2));
    expect(ignoredLabelOf(configOf(3, { ignoreIndex: 2 }))).toBe(2);
  });

  test('with reduceZeroLabel, less one; 0 and 255 are ignored', () => {
    const config = configOf(3, { reduceZeroLabel: true });
    expect(labels(config, 0, 1, 3, 255)).toEqual(Uint8Array.of(255, 0, 2, 255));
  });

  test('by label ids, several for a class; ignoreIndex is a value of the file', () => {
    const config = configOf(3, { labelIds: [7, [4, 300], 0], ignoredIds: [1, 2], ignoreIndex: 9 });
    expect(labels(config, 7, 4, 300, 0, 1, 2, 9)).toEqual(Uint8Array.of(0, 1, 1, 2, 255, 255, 255));
    expect(ignoredLabelOf(config)).toBe(255);
  });

  test('by label ids, all others ignored', () => {
    const config = configOf(2, { labelIds: [7, 8], ignoredIds: 'others' });
    expect(labels(config, 7, 8, 0, 255, 1000)).toEqual(Uint8Array.of(0, 1, 255, 255, 255));
  });

  test('of more than 255 classes in 16 bits', () => {
    const config = configOf(300, { ignoreIndex: 65_535 });
    expect(labels(config, 0, 255, 299, 65_535)).toEqual(Uint16Array.of(0, 255, 299, 65_535));
    expect(labels(config, 0, 255)).toEqual(Uint16Array.of(0, 255));
    const reduced = configOf(300, { reduceZeroLabel: true, ignoreIndex: 65_535 });
    expect(labels(reduced, 0, 1, 300, 65_535)).toEqual(Uint16Array.of(65_535, 0, 299, 65_535));
  });
});

test.each<[string, Record<string, unknown>, number, string]>([
  ['a value above the classes', {}, 3, 'a.png: label 3 at x=1, y=0; expected 0 to 2, or 255 to ignore'],
  ['one above them and reduced', { reduceZeroLabel: true }, 4, 'label 4 at x=1, y=0; expected 0 to 3,'],
  [
    'an id of no class',
    { labelIds: [0, 5, 6] },
    7,
    'label 7 at x=1, y=0; expected one of dataset.labelIds (0, 5, 6) or dataset.ignoredIds, or 255 to ignore',
  ],
  ['a value of 16 bits', {}, 1000, 'label 1000 at x=1, y=0'],
])('%s is refused by its place', (_, dataset, value, message) => {
  expect(() => labels(configOf(3, dataset), 0, value)).toThrow(BadData);
  expect(() => labels(configOf(3, dataset), 0, value)).toThrow(message);
});

test.each<[Record<string, unknown>, string]>([
  [{ labelIds: [1, 2] }, 'dataset.labelIds has 2 entries, but model.head.classes is 3'],
  [{ labelIds: [1, 2, 2] }, 'dataset.labelIds has 2 twice'],
  [
    { labelIds: [1, 2, 3], ignoredIds: [3] },
    'dataset.labelIds has 3 twice, or dataset.ignoredIds has it as well',
  ],
  [
    { labelIds: [1, 2, 3], reduceZeroLabel: true },
    'dataset.reduceZeroLabel is true, but dataset.labelIds says',
  ],
  [{ ignoredIds: [1] }, 'dataset.ignoredIds goes with dataset.labelIds, which is absent'],
])('a config with %j is refused', (dataset, message) => {
  expect(() => configOf(3, dataset)).toThrow(message);
});
