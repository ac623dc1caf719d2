import { listConfigs, loadVitConfig } from '../../activities/plan/load-config.ts';
import type { Precision } from '../../core/config/config.ts';
import { type VitConfig, vitConfig } from '../../core/config/model-kinds.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import { headType } from '../../core/model/head.ts';

/** A block's width, of which so much is left that a CPU has room for it: heads and tokens are as they are. */
const NARROW = { embedDim: 256, depth: 4, hidden: 512 };

/** Every config of configs/, small enough for a CPU's memory, on CUDA; those that come out alike once. */
export async function cudaConfigs(precision: Precision): Promise<[string, VitConfig][]> {
  const found = new Map<string, [string, VitConfig]>();
  for (const name of await listConfigs()) {
    const config = vitConfig(
      applyOverrides(await loadVitConfig(name), await overridesFor(name, precision), name),
    );
    const { model, pipeline, train } = config;
    const kind = JSON.stringify([
      model,
      pipeline.mean,
      pipeline.normalization,
      train && [train.batch, train.dropout > 0, train.features],
    ]);
    if (!found.has(kind)) found.set(kind, [name.split('/').at(-1)!, config]);
  }
  return [...found.values()];
}

async function overridesFor(name: string, precision: Precision): Promise<string[]> {
  const { train } = await loadVitConfig(name);
  // A config refuses to train a backbone in float16.
  const isRefused = precision === 'float16' && train !== undefined && train.trainable !== 'head';
  const frozen = isRefused ? ['train.trainable=head', 'train.dropPathRate=0'] : [];
  return ['run.device=cuda', `run.precision=${precision}`, ...frozen, ...(await narrowedTo(name))];
}

/** Overrides that leave of a big model's config what a CPU's memory has room for. */
export async function narrowedTo(name: string): Promise<string[]> {
  const { model, train } = await loadVitConfig(name);
  const { backbone, head, auxiliaryHead } = model;
  const { embedDim, depth, hidden } = NARROW;
  if (backbone.embedDim <= embedDim) return [];
  const taps = backbone.taps.map((_, i) => depth - backbone.taps.length + i);
  const channels = headType(head).isAsWideAsTaps ? embedDim * taps.length : 32;
  const overrides = {
    'model.backbone.embedDim': embedDim,
    // As many channels a head as the model has: attention's kernels depend on them.
    'model.backbone.heads': embedDim / (backbone.embedDim / backbone.heads),
    'model.backbone.depth': depth,
    ...('hiddenChannels' in backbone ? { 'model.backbone.hiddenChannels': hidden } : {}),
    'model.backbone.taps': JSON.stringify(taps),
    'model.head.channels': channels,
    'run.batch': 2,
    ...(train ? { 'train.batch': 2 } : {}),
    ...(auxiliaryHead ? { 'model.auxiliaryHead.channels': 32 } : {}),
  };
  return Object.entries(overrides).map(([key, value]) => `${key}=${value}`);
}
