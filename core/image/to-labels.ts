import type { Config } from '../config/config.ts';
import { BadData, BadInput } from '../config/failures.ts';
import { classesOf } from '../config/model-kinds.ts';
import { emptyLabels, ignoredLabel, type LabelMap, type Labels } from './label-map.ts';
import { reduceZeroLabel } from './preprocess.ts';

type LabelConfig = Pick<Config, 'dataset' | 'model'>;

/** What a table holds for values that no file may have. */
const REFUSED = -1;
/** Values that a message shows before it only counts. */
const VALUES_SHOWN = 8;

/** The value of pixels that are not counted, in the label maps of `toLabels`. */
export function ignoredLabelOf({ dataset, model }: LabelConfig): number {
  const ignored = ignoredLabel(classesOf(model));
  // Values of files are labels already, and the ignored one among them stays as it is.
  const isKept = !dataset.labelIds && !dataset.reduceZeroLabel && dataset.ignoreIndex < ignored;
  return isKept ? dataset.ignoreIndex : ignored;
}

/**
 * Turns the values of an annotation's file into classes, by what the config's dataset section says of them.
 *
 * @param values as they stand in the file
 * @returns a class or `ignoredLabelOf` for each pixel: bytes, or 16 bits of more than 255 classes
 * @throws BadData naming the first pixel whose value no class has: it would silently fall out of the matrix
 * @see mmseg 0.30 `LoadAnnotations`, whose reduce_zero_label makes 255 of 0, and 0…n−1 of 1…n
 */
export function toLabels(values: LabelMap<Labels>, config: LabelConfig, name: string): LabelMap<Labels> {
  const { width, height, data } = values;
  const table = tableOf(config, data instanceof Uint8Array ? 256 : 65_536);
  const labels = emptyLabels(classesOf(config.model), data.length);
  for (let i = 0; i < data.length; i++) {
    const label = table[data[i]!]!;
    if (label === REFUSED) throw refusal(values, i, config, name);
    labels[i] = label;
  }
  return { width, height, data: labels };
}

/** The label of each value that a file may have. */
function tableOf(config: LabelConfig, values: number): Int32Array {
  const { dataset, model } = config;
  const { ignoredIds, ignoreIndex } = dataset;
  const labelIds = idsOf(dataset);
  const ignored = ignoredLabelOf(config);
  const table = new Int32Array(values).fill(labelIds && ignoredIds === 'others' ? ignored : REFUSED);
  const set = (value: number, label: number) => {
    if (value < values) table[value] = label;
  };
  if (labelIds) {
    for (const [label, ids] of labelIds.entries()) for (const id of [ids].flat()) set(id, label);
  } else {
    const labels = values === 256 ? new Uint8Array(values) : new Uint16Array(values);
    for (let value = 0; value < values; value++) labels[value] = value;
    if (dataset.reduceZeroLabel) {
      reduceZeroLabel(labels);
      set(0, ignored);
    }
    for (const [value, label] of labels.entries()) if (label < classesOf(model)) set(value, label);
  }
  if (Array.isArray(ignoredIds)) for (const id of ignoredIds) set(id, ignored);
  set(ignoreIndex, ignored);
  return table;
}

/** Planning puts a dataset's own ids into the config. */
function idsOf({ labelIds }: LabelConfig['dataset']) {
  if (labelIds === 'official')
    throw new BadInput('dataset.labelIds is official: the config has not been resolved');
  return labelIds;
}

function refusal(
  { data, width }: LabelMap<Labels>,
  i: number,
  { dataset, model }: LabelConfig,
  name: string,
) {
  const { ignoreIndex, reduceZeroLabel } = dataset;
  const labelIds = idsOf(dataset);
  const ids = labelIds?.flat() ?? [];
  const more = ids.length > VALUES_SHOWN ? ` … (${ids.length} values)` : '';
  const expected = labelIds
    ? `one of dataset.labelIds (${ids.slice(0, VALUES_SHOWN).join(', ')}${more}) or dataset.ignoredIds`
    : `0 to ${classesOf(model) - (reduceZeroLabel ? 0 : 1)}`;
  return new BadData(
    `${name}: label ${data[i]} at x=${i % width}, y=${Math.floor(i / width)}; ` +
      `expected ${expected}, or ${ignoreIndex} to ignore`,
  );
}
