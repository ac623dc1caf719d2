import { describe, expect, test } from 'vitest';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import type { TrainableConfig } from '../../../core/config/train-run.ts';
import {
  evaluationMemory,
  featuresMemory,
  largestBatch,
  memoryText,
} from '../../../core/model/device-memory.ts';

const LINEAR = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';
const UPERNET = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';

/** Of the parts that an arena can't show. @see core/model/device-memory.ts */
const BESIDE = 2e9;
const PARTS = {
  evaluate: (config: TrainableConfig) => evaluationMemory(config) - BESIDE,
  features: (config: TrainableConfig) => featuresMemory(config) - BESIDE,
};

/** As `npm run check:cuda -- --memory` counts them: GB of ONNX Runtime's arena, by crops of a batch. */
const COUNTED: [keyof typeof PARTS, string, Record<number, number>][] = [
  ['evaluate', LINEAR, { 1: 12.9, 2: 11.8, 4: 12.9, 8: 14.0, 16: 15.1, 32: 17.2 }],
  ['evaluate', UPERNET, { 1: 16.2, 2: 18.3, 4: 21.5, 8: 30.1, 16: 45.1, 32: 80.5 }],
  ['features', LINEAR, { 1: 11.8, 2: 12.9, 4: 12.9, 8: 12.9, 16: 14.0, 32: 17.2 }],
  ['features', UPERNET, { 1: 12.9, 2: 13.0, 4: 14.0, 8: 14.0, 16: 16.1, 32: 19.3 }],
];

async function cudaConfig(name: string, batch: string | number) {
  return applyOverrides(
    await loadVitConfig(name),
    ['run.device=cuda', `run.batch=${batch}`],
    name,
  ) as TrainableConfig;
}

describe('what a config is expected to take of a GPU', () => {
  test.for(COUNTED)('is what was counted, or a little more: %s, %s', async ([part, name, counted]) => {
    for (const [batch, gb] of Object.entries(counted)) {
      const config = await cudaConfig(name, batch);
      const expected = PARTS[part](config) / 1e9;
      // Two counts differ by as much as a block of the arena.
      expect(expected, `batch ${batch}`).toBeGreaterThan(0.97 * gb);
      expect(expected, `batch ${batch}`).toBeLessThan(1.2 * gb + 1.2);
    }
  });

  test('is twice as much of weights and of a block’s values in float32', async () => {
    const half = await cudaConfig(LINEAR, 8);
    const whole = { ...half, run: { ...half.run, precision: 'float32' as const } };
    const beside = BESIDE + 1.8e9;
    expect(featuresMemory(whole) - beside).toBeCloseTo(2 * (featuresMemory(half) - beside), -3);
  });
});

test('the largest batch that fits is found, up to the one asked for, and none where not even one crop does', () => {
  const memory = (batch: number) => 10 + 3 * batch;
  expect(largestBatch(8, 100, memory)).toBe(8);
  expect(largestBatch(8, 22, memory)).toBe(4);
  expect(largestBatch(8, 12, memory)).toBe(0);
});

test('memory is told in the gigabytes of a card’s name', () => {
  expect(memoryText(46_060_000_000)).toBe('46.1 GB');
});
