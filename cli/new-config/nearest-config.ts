import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { CONFIGS, listConfigs, loadConfig } from '../../activities/plan/load-config.ts';
import { type VitConfig, vitConfig } from '../../core/config/model-kinds.ts';
import type { Family } from '../../core/model/families/family.ts';

/** The config that a new one is made of. */
export interface BaseConfig {
  /** Its path below configs/, without the suffix. */
  name: string;
  config: VitConfig;
  /** As it is written, without the comment on top. */
  text: string;
  cropPx: number;
  stridePx: number;
}

/** The linear probe of a family that is nearest in parameters: its run section fits best. */
export async function nearestConfig(
  { folder }: Family,
  { embedDim, depth }: { embedDim: number; depth: number },
): Promise<BaseConfig> {
  const names = (await listConfigs()).filter((name) => name.startsWith(`${folder}/`));
  const configs = await Promise.all(
    names.map(async (name) => ({ name, config: vitConfig(await loadConfig(name)) })),
  );
  const probes = configs.filter(({ config }) => config.train && config.model.backbone.taps.length === 1);
  const distance = ({ config: { model } }: (typeof probes)[number]) => {
    const { backbone } = model;
    return Math.abs(Math.log((embedDim ** 2 * depth) / (backbone.embedDim ** 2 * backbone.depth)));
  };
  const [{ name, config }] = probes.toSorted((a, b) => distance(a) - distance(b)) as [
    (typeof probes)[number],
  ];
  const { test, backbone } = config.model;
  return {
    name,
    config,
    text: (await readConfig(name)).replace(/^(#.*\n)+/, ''),
    cropPx: backbone.imageSizePx,
    stridePx: test.mode === 'slide' ? test.stridePx : backbone.imageSizePx,
  };
}

/** One of configs/ as it is written. @param name path below configs/, without the suffix */
export function readConfig(name: string): Promise<string> {
  return readFile(path.join(CONFIGS, `${name}.yaml`), 'utf8');
}
