import { isConfigFile } from '../../activities/plan/config-file.ts';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { resolveConfig, withClasses } from '../../activities/plan/resolve-config.ts';
import type { Config } from '../../core/config/config.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import { timestamp } from '../timestamp.ts';

/** A config that a command names, as an input has it. */
export interface ChosenConfig {
  /** Its name, if it is one of configs/; else what its file says, resolved: no other machine has the file. */
  config: string | Config;
  /** What is left to apply where the config is resolved. */
  overrides: string[];
  /** As this machine resolves it. */
  resolved: Config;
}

/**
 * Reads and checks a config where the user is, so that nothing is started with one that is wrong.
 *
 * @param named a name from `tessera configs`, or a YAML or JSON file
 * @throws BadInput naming what is wrong, with the same words as a control worker
 */
export async function chosenConfig(named: string, overrides: string[]): Promise<ChosenConfig> {
  if (!isConfigFile(named)) {
    const { config } = await resolveConfig({ config: named, overrides }, named);
    return { config: named, overrides, resolved: config };
  }
  const base = await loadConfig(named);
  const { config } = await withClasses(applyOverrides(base, overrides, base.name));
  return { config, overrides: [], resolved: config };
}

/** `tiny-20261124-215003`, UTC: what a run is called unless it is named. */
export function defaultWorkflowId({ name }: Pick<Config, 'name'>, now: Date): string {
  const safe = name.replace(/[^\w.@+-]+/g, '-').replace(/^[.-]+/, '');
  return `${safe || 'run'}-${timestamp(now)}`;
}
