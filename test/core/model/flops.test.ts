import { expect, test } from 'vitest';
import { loadConfig } from '../../../activities/plan/load-config.ts';
import { backboneFlops } from '../../../core/model/flops.ts';

test('a crop costs the 6B up to block 44 fifteen trillion operations', async () => {
  const { model } = await loadConfig('linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen');
  // 45 blocks of 12 · 3200² weights on 1,297 tokens, and each token with each other one.
  const linear = 45 * 2 * 12 * 3_200 ** 2 * 1_297;
  const attention = 45 * 4 * 1_297 ** 2 * 3_200;
  expect(backboneFlops(model) / (linear + attention)).toBeCloseTo(1, 2);
});
