import { type Config, ConfigSchema } from './config.ts';
import { BadInput } from './failures.ts';
import { knownKeys, parseConfig, unknownKey } from './parse.ts';

/**
 * Applies `key.path=value` overrides to a config, as mmseg's `--cfg-options` does.
 * A value is JSON where it is (`4`, `true`, `[44]`), else a plain string; lists may be written `a,b`.
 *
 * @throws BadInput for an unknown key (the nearest known one is named) or a value of the wrong kind
 */
export function applyOverrides(config: Config, overrides: string[], where: string): Config {
  if (overrides.length === 0) return config;
  const copy = structuredClone(config) as Record<string, unknown>;
  // Another device brings its own precision, unless that is overridden as well.
  if (overrides.some((override) => override.startsWith('run.device=')))
    (copy.run as { precision?: unknown }).precision = undefined;
  applyTo(copy, overrides);
  return parseConfig(copy, `${where} with ${overrides.join(' ')}`);
}

/** As above to a part of a config, in place; the values are not checked. */
export function applyTo(target: object, overrides: string[]): void {
  for (const override of overrides) {
    const at = override.indexOf('=');
    if (at < 1)
      throw new BadInput(`override '${override}': expected key.path=value, for example run.batch=4`);
    set(
      target as Record<string, unknown>,
      override.slice(0, at).split('.'),
      parseValue(override.slice(at + 1)),
    );
  }
}

function set(target: Record<string, unknown>, path: string[], value: unknown): void {
  let here = target;
  path.forEach((key, depth) => {
    const known = knownKeys(ConfigSchema, path.slice(0, depth));
    if (!known.includes(key))
      throw new BadInput(`override ${path.join('.')}: ${unknownKey(path.slice(0, depth + 1), known)}`);
    if (depth === path.length - 1) here[key] = value;
    else {
      here[key] ??= {};
      here = here[key] as Record<string, unknown>;
    }
  });
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text.includes(',') ? text.split(',').map(parseValue) : text;
  }
}
