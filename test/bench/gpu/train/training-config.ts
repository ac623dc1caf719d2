import { loadVitConfig } from '../../../../activities/plan/load-config.ts';
import { vitConfig } from '../../../../core/config/model-kinds.ts';
import { applyOverrides } from '../../../../core/config/overrides.ts';
import type { TrainableConfig } from '../../../../core/config/train-run.ts';
import { narrowedTo } from '../../../../infra/cuda-check/models.ts';
import type { Bench } from '../phase.ts';

/** The 6B with every parameter free and a linear head. */
export const FEW_SHOT = 'linear_intern_vit_6b_504_5k_ade20k_bs16_lr4e-5_1of16';
/** The same with UperNet. */
export const FULL_TUNING = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5';
/** UperNet with an auxiliary head on the frozen 6B. */
export const HEAD_TUNING = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';

/** A row's config on the benchmark's device; narrowed with `--small`. */
export async function trainingConfig(
  { device, small, overrides }: Pick<Bench, 'device' | 'small' | 'overrides'>,
  name: string,
  ...own: string[]
): Promise<TrainableConfig> {
  const narrowed = small ? await narrowedTo(name) : [];
  const all = [`run.device=${device}`, ...narrowed, ...overrides, ...own];
  const { train, ...config } = vitConfig(applyOverrides(await loadVitConfig(name), all, name));
  if (!train) throw new Error(`${name} has no section train`);
  return { ...config, train };
}
