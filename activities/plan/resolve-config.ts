import { access } from 'node:fs/promises';
import type { Config, DatasetClasses } from '../../core/config/config.ts';
import { BadInput } from '../../core/config/failures.ts';
import { classesKey, classesOf } from '../../core/config/model-kinds.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import { labelProblems, parseConfig } from '../../core/config/parse.ts';
import { isConfigFile } from './config-file.ts';
import { loadClasses, loadConfig } from './load-config.ts';

/**
 * The config that an input means, by its name or as it is there, with its overrides; and its dataset's classes.
 *
 * @param where names the input in messages
 * @throws BadInput naming what is wrong
 */
export async function resolveConfig(
  input: { config: string | Config; overrides: string[] },
  where: string,
): Promise<{ config: Config; classes: DatasetClasses }> {
  const base =
    typeof input.config === 'string'
      ? await loadNamed(input.config)
      : parseConfig(input.config, `${where} config`);
  return withClasses(applyOverrides(base, input.overrides, base.name));
}

/** A config with its dataset's classes. @throws BadInput if the dataset has more or fewer than the model */
export async function withClasses(config: Config): Promise<{ config: Config; classes: DatasetClasses }> {
  const { classes: given } = config.dataset;
  const classes = await loadClasses(given);
  const { model } = config;
  if (classes.classes.length !== classesOf(model))
    throw new BadInput(
      `${config.name}: ${classesKey(model)} is ${classesOf(model)}, but ` +
        `${typeof given === 'string' ? `configs/datasets/${given}.yaml` : 'dataset.classes'} has ${classes.classes.length}`,
    );
  return { config: withLabelIds(config, classes), classes };
}

/** The config with its dataset's own label ids, if it asks for them. */
function withLabelIds(config: Config, { name, labelIds, ignoredIds }: DatasetClasses): Config {
  const { dataset } = config;
  if (dataset.labelIds !== 'official') return config;
  if (!labelIds)
    throw new BadInput(
      `${config.name}: dataset.labelIds is official, but the classes of ${name} have none: give a list`,
    );
  const resolved = {
    ...config,
    dataset: { ...dataset, labelIds, ignoredIds: dataset.ignoredIds ?? ignoredIds },
  };
  const problems = labelProblems(resolved);
  if (problems.length > 0)
    throw new BadInput(problems.map((problem) => `${config.name}: ${problem}`).join('\n'));
  return resolved;
}

/** @throws BadInput for a file that only the user's machine has: whoever starts a workflow has to send what is in it */
async function loadNamed(name: string): Promise<Config> {
  const isAbsent =
    isConfigFile(name) &&
    (await access(name).then(
      () => false,
      () => true,
    ));
  if (isAbsent)
    throw new BadInput(
      `${name}: no such file on the control worker. 'tessera run' and 'tessera train' read a config where they are ` +
        'started, and send it; in an input of your own put its content in place of the name',
    );
  return loadConfig(name);
}
