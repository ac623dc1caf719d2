import { stringify } from 'yaml';
import { listConfigs, loadVitConfig } from '../activities/plan/load-config.ts';
import type { ConfigList } from '../core/config/command-output.ts';
import type { ConfigsOptions } from './commands/configs.ts';
import { chosenConfig } from './inputs/chosen-config.ts';

/** Prints the configs that come with Tessera. */
export async function listOfConfigs({ json }: ConfigsOptions): Promise<void> {
  const names = await listConfigs();
  const list: ConfigList = await Promise.all(
    names.map(async (name) => {
      const { model, reproduces } = await loadVitConfig(name);
      return { name, family: model.backbone.type, reproduces: reproduces ?? null };
    }),
  );
  if (json) return console.log(JSON.stringify(list, null, 2));
  const families = [...new Set(list.map(({ family }) => family))].sort();
  console.log(families.map((family) => familyText(family, list)).join('\n\n'));
}

/** Prints a config as a run would have it: with its base, its defaults and the overrides. */
export async function resolvedConfig(name: string, { cfgOptions, json }: ConfigsOptions): Promise<void> {
  const { resolved } = await chosenConfig(name, cfgOptions ?? []);
  console.log(json ? JSON.stringify(resolved, null, 2) : stringify(resolved).trimEnd());
}

function familyText(family: string, list: ConfigList): string {
  const configs = list.filter((config) => config.family === family);
  const lines = configs.map(
    ({ name, reproduces }) =>
      `  ${name}${reproduces ? `  (${reproduces.row}: ${reproduces.mIoU} mIoU)` : ''}`,
  );
  return [family, ...lines].join('\n');
}
