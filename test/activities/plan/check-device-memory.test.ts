import { expect, test } from 'vitest';
import { checkDeviceMemory } from '../../../activities/plan/check-device-memory.ts';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import type { TrainableConfig } from '../../../core/config/train-run.ts';
import { stagedSet } from '../../builders.ts';
import { plan } from './plan-of.ts';

const UPERNET = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';

async function upernet(...overrides: string[]): Promise<TrainableConfig> {
  return applyOverrides(
    await loadVitConfig(UPERNET),
    ['run.device=cuda', ...overrides],
    UPERNET,
  ) as TrainableConfig;
}

function messageOf(refused: () => void): string {
  try {
    refused();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

test('a batch that GPUs of the named size have no room for is refused, and the largest that fits is named', async () => {
  const refuse = (config: TrainableConfig) => () => checkDeviceMemory(config);
  const config = await upernet('run.batch=16', 'run.deviceMemoryGb=40');
  expect(refuse(config)).toThrow(BadInput);
  const told = /^upernet\S+: run\.batch 16 needs about \d+\.\d GB .* is 40\. run\.batch=(\d+) fits: /;
  const fits = Number(told.exec(messageOf(refuse(config)))?.[1]);
  expect(fits).toBeGreaterThan(1);
  checkDeviceMemory(await upernet(`run.batch=${fits}`, 'run.deviceMemoryGb=40'));
  expect(refuse(await upernet(`run.batch=${fits + 1}`, 'run.deviceMemoryGb=40'))).toThrow(BadInput);
  expect(refuse(await upernet('run.deviceMemoryGb=12'))).toThrow(/Not even run\.batch=1 fits: /);
});

test('nothing is refused where the size is not named, or on a CPU', async () => {
  checkDeviceMemory(await upernet('run.batch=1024'));
  checkDeviceMemory(await upernet('run.batch=1024', 'run.device=cpu', 'run.deviceMemoryGb=1'));
});

test('a plan asks for it before it looks at weights or dataset', async () => {
  const { store, input, objects } = await stagedSet();
  objects.clear();
  const overrides = ['run.device=cuda', 'run.deviceMemoryGb=1'];
  await expect(plan(store, { ...input, overrides })).rejects.toThrow(
    /run\.deviceMemoryGb is 1\. Not even run\.batch=1 fits/,
  );
});
