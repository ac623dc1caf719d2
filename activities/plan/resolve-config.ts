import type { Config, DatasetClasses } from '../../core/config/config.ts';
import { BadInput } from '../../core/config/failures.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import { parseConfig } from '../../core/config/parse.ts';
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
      ? await loadConfig(input.config)
      : parseConfig(input.config, `${where} config`);
  const config = applyOverrides(base, input.overrides, base.name);
  const classes = await loadClasses(config.dataset.classes);
  if (classes.classes.length !== config.model.head.classes)
    throw new BadInput(
      `${config.name}: model.head.classes is ${config.model.head.classes}, but configs/datasets/${config.dataset.classes}.yaml has ${classes.classes.length}`,
    );
  return { config, classes };
}
