import { expect, test } from 'vitest';
import { chooseState, hostStateText } from '../../../activities/plan/choose-state.ts';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import type { TrainableConfig } from '../../../core/config/train-run.ts';

const FEW_SHOT = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_1of1';
const FULL = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5';

async function config(name: string, ...overrides: string[]): Promise<TrainableConfig> {
  return applyOverrides(await loadVitConfig(name), overrides, name) as TrainableConfig;
}
const chosen = async (name: string, ...overrides: string[]) => chooseState(await config(name, ...overrides));

test('the state lies on the device where it fits, else on the host', async () => {
  expect(await chosen(FEW_SHOT, 'run.deviceMemoryGb=141')).toBe('device');
  expect(await chosen(FEW_SHOT, 'run.deviceMemoryGb=80')).toBe('host');
  expect(await chosen(FEW_SHOT, 'run.deviceMemoryGb=24')).toBe('host');
  expect(await chosen(FULL, 'run.deviceMemoryGb=141')).toBe('device');
  expect(await chosen(FULL, 'run.deviceMemoryGb=80')).toBe('host');
});

test('where the size is not named, and on a CPU, it lies on the device unless the config says otherwise', async () => {
  expect(await chosen(FULL)).toBe('device');
  expect(await chosen(FULL, 'run.state=host')).toBe('host');
  expect(await chosen('tiny_few_shot', 'run.deviceMemoryGb=0.001')).toBe('device');
});

test('what does not fit is refused with its figures, and with the first setting that does', async () => {
  await expect(chosen(FEW_SHOT, 'run.deviceMemoryGb=80', 'run.state=device')).rejects.toThrow(
    new BadInput(
      `${FEW_SHOT}: train.batch 16 with run.state device needs about 100.3 GB of device memory (parameters and moments ` +
        '70.9 GB, copies in bfloat16 11.8 GB, tokens between stages 6.7 GB), and run.deviceMemoryGb is 80. run.state=host fits: ' +
        'set it, or take GPUs with more memory',
    ),
  );
  await expect(chosen(FEW_SHOT, 'run.deviceMemoryGb=16')).rejects.toThrow(
    /with run\.state host needs about 17\.8 GB .* is 16\. run\.batch=2 fits: set it/,
  );
  expect(await chosen(FEW_SHOT, 'run.deviceMemoryGb=16', 'run.batch=2')).toBe('host');
  await expect(chosen(FULL, 'run.deviceMemoryGb=40')).rejects.toThrow(
    /heads of 16 crops 35\.\d GB.* train\.batch=\d+ fits with run\.batch=1, which is another recipe/,
  );
  await expect(chosen(FULL, 'run.deviceMemoryGb=4')).rejects.toThrow('Not even train.batch=1 fits');
});

test('a plan says how much of the host a state there takes', async () => {
  expect(hostStateText(await config(FEW_SHOT))).toContain("trainer's own memory, 82.9 GB of it");
});
