import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { closest } from 'fastest-levenshtein';
import {
  type Config,
  type DatasetClasses,
  DatasetClassesSchema,
  type DatasetConfig,
} from '../../core/config/config.ts';
import { BadInput } from '../../core/config/failures.ts';
import { type VitConfig, vitConfig } from '../../core/config/model-kinds.ts';
import { parseAs, parseConfig } from '../../core/config/parse.ts';
import { isConfigFile, loadConfigFile } from './config-file.ts';
import { readYaml } from './read-yaml.ts';

export const CONFIGS = fileURLToPath(new URL('../../configs', import.meta.url));

/** Every config by its path below configs/, without the suffix. */
export async function listConfigs(): Promise<string[]> {
  const files = await readdir(CONFIGS, { recursive: true });
  return files
    .filter((file) => file.endsWith('.yaml') && !file.startsWith('datasets'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();
}

/**
 * Reads a config by its name: `tiny`, `linear_probing/linear_…`, just `linear_…`, or a path to a YAML or JSON file.
 *
 * @throws BadInput if there is none (the nearest is named), or if it isn't a valid config
 */
export async function loadConfig(name: string): Promise<Config> {
  if (isConfigFile(name)) return loadConfigFile(name, readNamed);
  const { value, where } = await readNamed(name);
  return parseConfig(value, where);
}

/** As `loadConfig`. @throws BadInput as well for a model that is an ONNX file */
export async function loadVitConfig(name: string): Promise<VitConfig> {
  return vitConfig(await loadConfig(name));
}

/** One of configs/ as it is written. */
async function readNamed(name: string): Promise<{ value: unknown; where: string }> {
  const all = await listConfigs();
  const found = all.find((config) => config === name || path.basename(config) === name);
  if (!found) {
    const names = [...all, ...all.map((config) => path.basename(config))];
    throw new BadInput(`config '${name}' does not exist in configs/; did you mean ${closest(name, names)}?`);
  }
  const where = `configs/${found}.yaml`;
  return { value: await readYaml(path.join(CONFIGS, `${found}.yaml`), where), where };
}

/** Class names and palette, given or by name. @throws BadInput if configs/datasets has no file of that name */
export async function loadClasses(classes: DatasetConfig['classes']): Promise<DatasetClasses> {
  if (Array.isArray(classes)) return { name: 'of the config', classes };
  if (typeof classes !== 'string') return classes;
  const where = `configs/datasets/${classes}.yaml`;
  return parseAs(
    DatasetClassesSchema,
    await readYaml(path.join(CONFIGS, 'datasets', `${classes}.yaml`), where),
    where,
  );
}
