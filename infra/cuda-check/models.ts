import { listConfigs, loadConfig } from '../../activities/plan/load-config.ts';
import type { Config, Precision } from '../../core/config/config.ts';
import { applyOverrides } from '../../core/config/overrides.ts';

/** The 6B's blocks at a fraction of their width: heads of 128 channels and 1,297 tokens are as they are. */
const NARROWED = [
  ...['model.backbone.embedDim=256', 'model.backbone.heads=2', 'model.backbone.depth=4'],
  ...['run.batch=2', 'train.batch=2'],
];
const HEADS = {
  linear: ['model.backbone.taps=[3]', 'model.head.channels=256'],
  upernet: ['model.backbone.taps=[0,1,2,3]', 'model.head.channels=32'],
};

/** Every config of configs/, small enough for a CPU's memory, on CUDA; those that come out alike once. */
export async function cudaConfigs(precision: Precision): Promise<[string, Config][]> {
  const found = new Map<string, [string, Config]>();
  for (const name of await listConfigs()) {
    const config = applyOverrides(await loadConfig(name), await overridesFor(name, precision), name);
    const { model, pipeline, train } = config;
    const kind = JSON.stringify([
      model,
      pipeline.mean,
      train && [train.batch, train.dropout > 0, train.features],
    ]);
    if (!found.has(kind)) found.set(kind, [name.split('/').at(-1)!, config]);
  }
  return [...found.values()];
}

async function overridesFor(name: string, precision: Precision): Promise<string[]> {
  return ['run.device=cuda', `run.precision=${precision}`, ...(await narrowedTo(name))];
}

/** Overrides that leave of a 6B's config what a CPU's memory has room for. */
export async function narrowedTo(name: string): Promise<string[]> {
  const { model, train } = await loadConfig(name);
  if (model.backbone.embedDim <= 256) return [];
  const auxiliary = model.auxiliaryHead ? ['model.auxiliaryHead.channels=32'] : [];
  const narrowed = train ? NARROWED : NARROWED.filter((override) => !override.startsWith('train.'));
  return [...narrowed, ...HEADS[model.head.type], ...auxiliary];
}
