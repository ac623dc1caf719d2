import path from 'node:path';
import { z } from 'zod';
import {
  type Config,
  ConfigSchema,
  DatasetClassesSchema,
  DatasetLayoutSchema,
} from '../../core/config/config.ts';
import { BadInput } from '../../core/config/failures.ts';
import { isFields, mergeOver } from '../../core/config/merge.ts';
import { parseAs, parseConfig } from '../../core/config/parse.ts';
import { readYaml } from './read-yaml.ts';

/** A chain of bases that is longer is taken for a mistake. */
const MAX_BASES = 8;

/** Of a dataset of one's own: what it is, and where its files lie. */
const { reduceZeroLabel, ignoreIndex, type } = ConfigSchema.shape.dataset.shape;
const DatasetFileSchema = z.strictObject({
  type: type.optional(),
  ...DatasetClassesSchema.shape,
  ...DatasetLayoutSchema.shape,
  reduceZeroLabel,
  ignoreIndex,
});

/** What a config's file may be based on, beside other files: one of configs/, as it is written. */
export type ReadNamed = (name: string) => Promise<{ value: unknown; where: string }>;

/** Whether a config is named by its file, not by its name in configs/. */
export function isConfigFile(name: string): boolean {
  return /\.(ya?ml|json)$/.test(name);
}

/**
 * Reads a config of one's own, and all that it refers to by a file beside it: `base` (a file, or a name in configs/),
 * `dataset` and `dataset.classes`. What comes back refers to no file but those of configs/datasets.
 *
 * @throws BadInput naming the file and what is wrong with it
 */
export async function loadConfigFile(file: string, readNamed: ReadNamed): Promise<Config> {
  return parseConfig(await readMerged(file, readNamed, []), file);
}

async function readMerged(file: string, readNamed: ReadNamed, above: string[]): Promise<unknown> {
  if (above.includes(path.resolve(file)) || above.length >= MAX_BASES)
    throw new BadInput(`${above[0]}: its bases lead back to ${file}, or are more than ${MAX_BASES}`);
  const value = await readYaml(file, file);
  if (!isFields(value)) return value;
  const { base, ...own } = value;
  const resolved = { ...own, ...(await withDataset(own.dataset, file)) };
  if (base === undefined) return resolved;
  if (typeof base !== 'string')
    throw new BadInput(`${file}: base: expected a file beside it, or a name from 'tessera configs'`);
  const below = isConfigFile(base)
    ? await readMerged(path.resolve(path.dirname(file), base), readNamed, [...above, path.resolve(file)])
    : (await readNamed(base)).value;
  const name = path.basename(file).replace(/\.\w+$/, '');
  if (!isFields(below)) return mergeOver(below, { name, ...resolved });
  // The row that the base reproduces is not reproduced by what differs from it.
  const published = stillFitting(below.published, own.model);
  return mergeOver({ ...below, reproduces: undefined, published }, { name, ...resolved });
}

/** What of a base's published checkpoints fits, after a file has changed its backbone or its head. */
function stillFitting(published: unknown, model: unknown): unknown {
  if (!isFields(published) || !isFields(model)) return published;
  if (model.backbone !== undefined) return undefined;
  return model.head === undefined ? published : { weights: published.weights };
}

/** The dataset section with its files read: one of the whole section, or one of the classes. */
async function withDataset(dataset: unknown, file: string): Promise<{ dataset?: unknown }> {
  const beside = (name: string) => path.resolve(path.dirname(file), name);
  if (typeof dataset === 'string') {
    if (!isConfigFile(dataset))
      throw new BadInput(`${file}: dataset: expected a section, or the name of a YAML file beside it`);
    const where = beside(dataset);
    const { name, classes, submissionIds, labelIds, ignoredIds, ...section } = parseAs(
      DatasetFileSchema,
      await readYaml(where, where),
      where,
    );
    const named = {
      name,
      classes,
      ...(submissionIds ? { submissionIds } : {}),
      ...(labelIds ? { labelIds } : {}),
      ...(ignoredIds ? { ignoredIds } : {}),
    };
    return { dataset: { ...section, type: section.type ?? name, classes: named } };
  }
  if (!isFields(dataset) || typeof dataset.classes !== 'string' || !isConfigFile(dataset.classes)) return {};
  const where = beside(dataset.classes);
  const classes = parseAs(DatasetClassesSchema, await readYaml(where, where), where);
  return { dataset: { ...dataset, classes } };
}
