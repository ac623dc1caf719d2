import { describe, expect, test } from 'vitest';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import type { TrainableConfig } from '../../../core/config/train-run.ts';
import { backboneFlops } from '../../../core/model/backbone.ts';
import { besidePublished, chainCost } from '../../../core/train/chain-cost.ts';
import { simulateTraining } from '../../../core/train/simulate.ts';
import { ASSUMED, trainingCosts } from '../../../core/train/training-costs.ts';

const FEW_SHOT = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_1of1';

async function config(...overrides: string[]): Promise<TrainableConfig> {
  return applyOverrides(await loadVitConfig(FEW_SHOT), overrides, FEW_SHOT) as TrainableConfig;
}
const costOf = async (...overrides: string[]) => chainCost(await config(...overrides), ASSUMED, 0);

describe('a step of the 6B with every parameter free', () => {
  test('is four forward passes of the backbone, and AdamW over the memory of the GPU', async () => {
    const { model } = await config();
    const { step, tokens, parameters } = await costOf();
    const passes =
      (step.backbone * ASSUMED.trainShareOfPeak * ASSUMED.peakTflops * 1e12) / backboneFlops(model);
    expect(passes).toBeCloseTo(4 * 16, 6);
    expect(tokens).toBe(16 * 1297);
    expect(parameters / 1e6).toBeCloseTo(5907, 0);
    // 30 bytes a parameter, and 12 to add the gradients of two groups.
    expect(step.optimizer).toBeCloseTo((42 * 5.907e9) / (0.7 * 4.8e12), 2);
    expect(step.traffic).toBeLessThan(0.01);
  });

  test('takes by count at most 1.5 times the time of a published training, by token and parameter', async () => {
    const { atItsShare } = besidePublished(await costOf(), ASSUMED);
    expect(atItsShare).toBeLessThan(1.5);
    expect(atItsShare).toBeGreaterThan(1);
  });

  test('with its state on the host waits for the host’s AdamW and for weights and gradients', async () => {
    const [device, host] = [await costOf(), await costOf('run.state=host')];
    expect(host.step.backbone).toBe(device.step.backbone);
    expect(host.step.optimizer).toBeGreaterThan(6 * 5.9);
    // 12 GB up for each direction, 24 GB down.
    expect(host.step.traffic).toBeCloseTo(47 / 7, 0);
  });

  test('does frozen blocks once', async () => {
    const upper = await costOf('train.trainable=["backbone.blocks.4?.*"]');
    const whole = await costOf();
    expect(upper.step.backbone / whole.step.backbone).toBeCloseTo((40 + 4 * 8) / (4 * 48), 2);
    expect(upper.checkpointBytes / whole.checkpointBytes).toBeCloseTo(8 / 48, 1);
  });

  test('waits for kernels where blocks are small', async () => {
    const { step } = chainCost(await config(), { ...ASSUMED, launchMicroseconds: 1_000 }, 0);
    expect(step.backbone).toBeCloseTo(2 * 4 * 48 * 81 * 1e-3, 6);
  });
});

test('a simulated training writes and reads its state at each segment, and sends nothing', async () => {
  const costs = trainingCosts(await config('train.steps=2000'), { ...ASSUMED, lossesPerHour: 0 });
  expect(costs).toMatchObject({ cropBytes: 0, receiveSeconds: 0, backboneSeconds: 0, hostStepSeconds: 0 });
  expect(costs.checkpointSeconds).toBeCloseTo((14 * 5.906e9) / 240e6, 0);
  const { trainSeconds, busy, checkpointSeconds } = simulateTraining(costs, 1);
  expect(busy.head).toBeCloseTo(2000 * costs.gpuStepSeconds, 3);
  expect(checkpointSeconds).toBeCloseTo(2 * costs.checkpointSeconds, 3);
  // Two segments: each loads the model and the state, and makes the first crops.
  const beside = trainSeconds - busy.head - checkpointSeconds;
  expect(beside).toBeGreaterThan(2 * (60 + costs.loadSeconds));
  expect(beside).toBeLessThan(2 * (60 + costs.loadSeconds + 1));
});
