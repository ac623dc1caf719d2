import { expect, test } from 'vitest';
import { loadVitConfig } from '../../activities/plan/load-config.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { evaluationMemory } from '../../core/model/device-memory.ts';
import { countSegmenter } from '../../infra/cuda-check/count-memory.ts';

const LINEAR = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';
const UPERNET = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';
/** What a plan adds for all that isn't ONNX Runtime's arena. */
const BESIDE = 2e9;

process.env.FAKE_CUDA_MEMORY = '200e9';

async function cudaConfig(name: string, ...overrides: string[]): Promise<TrainableConfig> {
  return applyOverrides(
    await loadVitConfig(name),
    ['run.device=cuda', ...overrides],
    name,
  ) as TrainableConfig;
}

test.for([
  [LINEAR, 8],
  [UPERNET, 8],
  ['dinov2_vitg14_ade20k_ms', 16],
  ['dinov3_vit7b16_ade20k_linear', 8],
  ['dinov3_vits16_ade20k_linear', 64],
] as const)('%s, whole, in batches of %i takes what a plan expects of it', async ([name, batch]) => {
  const config = await cudaConfig(name, `run.batch=${batch}`);
  const { peak } = await countSegmenter(config);
  const expected = evaluationMemory(config) - BESIDE;
  // Two counts of the same may differ by a tenth: the arena grows in blocks, in the order of the threads.
  expect(peak).toBeLessThan(expected * 1.1);
  expect(peak).toBeGreaterThan(expected / 1.3);
});

test('a memory pattern would take a block more, which is why there is none', async () => {
  const config = await cudaConfig(LINEAR, 'run.batch=16');
  const [without, withPattern] = [await countSegmenter(config), await countSegmenter(config, true)];
  expect(withPattern.peak - without.peak).toBeGreaterThan(3e9);
});
