import type { Config } from '../config/config.ts';

/** A config as flat names and values, such as `train.optimizer.lr`: for tables that compare runs. Lists are JSON. */
export function flatParameters(config: Config): Record<string, string | number | boolean> {
  const flat: Record<string, string | number | boolean> = {};
  const walk = (value: unknown, name: string) => {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      flat[name] = value;
    else if (Array.isArray(value)) flat[name] = JSON.stringify(value);
    else if (typeof value === 'object' && value !== null)
      for (const [key, inner] of Object.entries(value)) walk(inner, name ? `${name}.${key}` : key);
  };
  const { report: _r, notify: _n, ...run } = config.run;
  const { classes: _c, ...dataset } = config.dataset;
  walk({ ...config, run, dataset }, '');
  return flat;
}
