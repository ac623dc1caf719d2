import { expect, test } from 'vitest';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { backboneFlops } from '../../../core/model/backbone.ts';
import { headFlops } from '../../../core/model/flops.ts';

test('a crop costs the 6B up to block 44 fifteen trillion operations', async () => {
  const { model } = await loadVitConfig('linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen');
  // 45 blocks of 12 · 3200² weights on 1,297 tokens, and each token with each other one.
  const linear = 45 * 2 * 12 * 3_200 ** 2 * 1_297;
  const attention = 45 * 4 * 1_297 ** 2 * 3_200;
  expect(backboneFlops(model) / (linear + attention)).toBeCloseTo(1, 2);
});

test('UperNet costs a crop as many operations as its convolutions say', async () => {
  const { model } = await loadVitConfig('linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen');
  expect(headFlops(model)).toBe(2 * 3_200 * 150 * 36 ** 2);

  const { model: upernet } = await loadVitConfig('upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen');
  const [c, k] = [3_200, upernet.head.channels];
  const pyramid = 4 * c * c * (36 ** 2 + 72 ** 2 + 36 ** 2);
  const pools = c * k * (1 + 4 + 9 + 36) + 9 * (c + 4 * k) * k * 18 ** 2;
  const levels = (c * k + 9 * k * k) * (144 ** 2 + 72 ** 2 + 36 ** 2);
  const joined = (9 * 4 * k * k + 150 * k) * 144 ** 2;
  expect(headFlops(upernet)).toBe(2 * (pyramid + pools + levels + joined));
});
