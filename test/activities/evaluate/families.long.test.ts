import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { listConfigs, loadConfig } from '../../../activities/plan/load-config.ts';
import { composeConfig } from '../../../cli/new-config/compose.ts';
import type { Config } from '../../../core/config/config.ts';
import { type VitConfig, vitConfig } from '../../../core/config/model-kinds.ts';
import { parseConfig } from '../../../core/config/parse.ts';
import { scaleConfig } from '../../../core/config/scale-config.ts';
import type { TrainableConfig } from '../../../core/config/train-run.ts';
import { total } from '../../../core/metric/confusion-matrix.ts';
import { decodeMatrix } from '../../../core/metric/matrix-codec.ts';
import { extractFeatures, trainSteps, writeCheckpoints } from '../../../infra/cuda-check/at-work.ts';
import { stagedSet } from '../../builders.ts';
import { DINOV2_REGISTERS, DINOV3_S, INTERNVIT_300M } from '../../core/model/model-jsons.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { openEvaluator, shardTask } from './shard-task.ts';

/* Every config of a family at a small scale, as a worker runs it: blocks, taps, head and preprocessing are as they are. */

const configs = (await listConfigs()).filter((name) => /^(intern_vit|dinov2|dinov3)\//.test(name));
/** DINOv2's crops are padded to whole patches of 14 px; the others' are multiples of their patch. */
const SIDES = { InternViT: 56, DINOv2: 50, DINOv3: 64 };

async function small(name: string): Promise<VitConfig> {
  return atSmallScale(await loadConfig(name));
}

function atSmallScale(loaded: Config): VitConfig {
  const config = vitConfig(loaded);
  const imageSizePx = SIDES[config.model.backbone.type];
  const scaled = scaleConfig(config, { imageSizePx, embedDim: 16, heads: 2, headChannels: 8 });
  const { precision: _, ...run } = { ...scaled.run, device: 'cpu' as const, batch: 2 };
  return vitConfig(parseConfig({ ...scaled, run }, config.name));
}

test('there are configs of each family', () => {
  const families = new Set(configs.map((name) => name.split('/')[0]));
  expect([...families].sort()).toEqual(['dinov2', 'dinov3', 'intern_vit']);
});

describe.each(configs)('%s', (name) => {
  test('evaluates images of several sizes, each pixel once', async () => {
    const config = await small(name);
    const sizes: [number, number][] = [
      [60, 40],
      [56, 56],
      [120, 44],
    ];
    const set = await stagedSet({ model: config.model, sizes });
    const task = await shardTask(set, { config });
    const { evaluate } = openEvaluator(set.store);
    const { images, matrix } = await evaluate({ ...task, batch: 2 });
    const labelled = images.reduce((sum, { labelledPixels }) => sum + labelledPixels, 0);
    expect(labelled).toBeGreaterThan(1_000);
    expect(total(decodeMatrix(matrix))).toBe(labelled);
  });
});

describe.each([
  'intern_vit/intern_vit_300m_448px_ade20k_linear',
  'dinov2/dinov2_vits14_ade20k_linear',
  'dinov2/dinov2_vitg14_reg4_ade20k_linear',
  'dinov3/dinov3_vits16_ade20k_linear',
  'dinov3/dinov3_vit7b16_ade20k_linear',
])('%s', (name) => {
  test('trains its head', async () => {
    const config = await small(name);
    const trainable: TrainableConfig = { ...config, train: { ...config.train!, batch: 2 } };
    const folder = temporaryFolder();
    const files = await writeCheckpoints(folder, config.model);
    expect(await extractFeatures(folder, files.slice(0, 1), trainable)).toEqual([1, 1]);
    expect(await trainSteps(trainable)).toBe(2);
  });
});

describe.each([
  ['InternViT', INTERNVIT_300M],
  ['DINOv2', DINOV2_REGISTERS],
  ['DINOv3', DINOV3_S],
])('a config that is written from %s’s config.json, with UperNet', (name, json) => {
  test('evaluates, and trains its heads', async () => {
    const source = {
      uri: 'config.json',
      name,
      config: { ...json, num_hidden_layers: 4 },
      preprocessor: null,
    };
    const text = await composeConfig({ ...source, weights: null }, { head: 'upernet', dataset: 'ade20k' });
    const config = atSmallScale(parseConfig(parse(text), name));
    const set = await stagedSet({ model: config.model, sizes: [[60, 40]] });
    const task = await shardTask(set, { config });
    expect((await openEvaluator(set.store).evaluate({ ...task, batch: 2 })).images).toHaveLength(1);
    expect(await trainSteps({ ...config, train: { ...config.train!, batch: 2 } })).toBe(2);
  });
});
