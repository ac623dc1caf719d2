import Table from 'cli-table3';
import { loadVitConfig } from '../../activities/plan/load-config.ts';
import { type VitConfig, vitConfig } from '../../core/config/model-kinds.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { evaluationMemory, featuresMemory } from '../../core/model/device-memory.ts';
import { countChain, expectedOfChain } from './count-chain.ts';
import { type CountedMemory, countFeatures, countSegmenter } from './count-memory.ts';

/*
 * `npm run check:cuda -- --memory`: what each kind of row takes of a GPU, at the true sizes, counted on the fake CUDA;
 * beside it what core/model/device-memory.ts expects. It takes some minutes.
 */

/** More than any of these take: what is counted here is never refused. */
process.env.FAKE_CUDA_MEMORY = '500e9';

const ROWS = {
  linear: 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen',
  UperNet: 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen',
};

interface Part {
  key: 'run.batch' | 'train.batch';
  batches: number[];
  count(config: TrainableConfig): Promise<CountedMemory>;
  expected(config: TrainableConfig): number;
}

const PARTS: Record<string, Part> = {
  evaluate: {
    key: 'run.batch',
    batches: [1, 2, 4, 8, 16, 32],
    count: (config: VitConfig) => countSegmenter(config),
    expected: evaluationMemory,
  },
  'send features': {
    key: 'run.batch',
    batches: [1, 2, 4, 8, 16, 32],
    count: (config) => countFeatures(config),
    expected: featuresMemory,
  },
  'train a head': {
    key: 'train.batch',
    batches: [2, 4, 8, 16],
    count: (config) => countChain(config),
    expected: expectedOfChain,
  },
};

const gb = (bytes: number) => (bytes / 1e9).toFixed(1);
const table = new Table({
  head: ['', 'head', 'batch', 'opened, GB', 'at most, GB', 'expected, GB'],
  style: { head: [], border: [] },
});
for (const [what, { key, batches, count, expected }] of Object.entries(PARTS))
  for (const [head, name] of Object.entries(ROWS))
    for (const batch of batches) {
      const overrides = ['run.device=cuda', `${key}=${batch}`];
      const config = vitConfig(applyOverrides(await loadVitConfig(name), overrides, name)) as TrainableConfig;
      process.stderr.write(`${what}, ${head}, batch ${batch}\n`);
      const { open, peak } = await count(config);
      table.push([what, head, batch, gb(open), gb(peak), gb(expected(config))]);
    }
console.log(table.toString());
