import { describe, expect, test } from 'vitest';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import type { TrainableConfig } from '../../../core/config/train-run.ts';
import { featuresMemory } from '../../../core/model/device-memory.ts';
import { type MemoryPart, sumOf, trainerBytes, trainingMemory } from '../../../core/train/training-memory.ts';
import { expectedOfChain } from '../../../infra/cuda-check/count-chain.ts';

const FEW_SHOT = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_1of1';
const FULL = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5';
const FROZEN = `${FULL}_frozen`;
const LINEAR = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';

async function config(name: string, ...overrides: string[]): Promise<TrainableConfig> {
  return applyOverrides(await loadVitConfig(name), overrides, name) as TrainableConfig;
}

/** Gigabytes by part. */
const gb = (parts: MemoryPart[]) =>
  Object.fromEntries(parts.map(({ what, bytes }) => [what, Math.round(bytes / 1e8) / 10]));

/** As `npm run check:cuda -- --memory` and `-- --training` count a chain's arena, GB; on the right its overrides. */
const COUNTED: [string, number, ...string[]][] = [
  [LINEAR, 0.6, 'train.batch=1'],
  [LINEAR, 1.7],
  [LINEAR, 5.3, 'train.batch=64'],
  [FROZEN, 15.8, 'train.batch=2'],
  [FROZEN, 23.6, 'train.batch=8'],
  [FROZEN, 38.3],
  [FEW_SHOT, 93.7, 'run.batch=1'],
  [FEW_SHOT, 95.2],
  [FEW_SHOT, 97.7, 'run.batch=16'],
  [FEW_SHOT, 117.6, 'train.batch=64'],
  [FULL, 107.8, 'train.batch=8'],
  [FULL, 124.4],
];

test.for(COUNTED)('%s is expected to take the %d GB that were counted, or a little more', async (row) => {
  const [name, counted, ...overrides] = row;
  const expected = expectedOfChain(await config(name, 'run.device=cuda', ...overrides)) / 1e9;
  expect(expected).toBeGreaterThan(0.97 * counted);
  expect(expected).toBeLessThan(1.25 * counted);
});

describe('the 6B with every parameter free, in steps of 16 crops', () => {
  test('takes of a device what an H200 has room for', async () => {
    const { device, host } = trainingMemory(await config(FEW_SHOT), 'device');
    expect(gb(device)).toEqual({
      'parameters and moments': 70.9,
      'copies in bfloat16': 11.8,
      'tokens between stages': 6.7,
      'stages of 8 crops': 5.3,
      'libraries and arenas': 4.5,
      "the optimizer's values": 1.1,
    });
    expect(sumOf(device)).toBeLessThan(141e9);
    expect(host).toEqual([]);
  });

  test('fits a 24 GB GPU if its state lies on the host, which needs 83 GB for it', async () => {
    const { device, host } = trainingMemory(await config(FEW_SHOT), 'host');
    expect(sumOf(device)).toBeLessThan(24e9);
    expect(gb(device)).toMatchObject({
      'weights of a stage of each kind': 0.3,
      'tokens between stages': 6.7,
    });
    expect(gb(host)).toEqual({
      'parameters and moments': 70.9,
      'copies in bfloat16': 11.8,
      'a gradient': 0.2,
    });
  });

  test('under UperNet fits an H200 as well, whose stages and heads share 40 GB in turn', async () => {
    const full = await config(FULL);
    expect(gb(trainingMemory(full, 'device').device)).toMatchObject({
      'heads of 16 crops': 35.1,
      'stages of 8 crops': 5.3,
    });
    expect(sumOf(trainingMemory(full, 'device').device)).toBeLessThan(141e9);
    expect(sumOf(trainingMemory(full, 'host').device) / 1e9).toBeCloseTo(54, 0);
  });
});

test('frozen blocks are weights without moments or copies, and keep no inputs', async () => {
  const head = trainingMemory(await config(FROZEN), 'device').device;
  expect(gb(head)).toMatchObject({ 'frozen weights': 11.8, 'parameters and moments': 5.8 });
  expect(gb(head)).not.toHaveProperty('copies in bfloat16');
  // The four taps that the pyramid sees, float32.
  const kept = head.find(({ what }) => what === 'tokens between stages')?.bytes;
  expect(kept).toBe(4 * 16 * 4 * 1296 * 3200);
  const upper = await config(FULL, 'train.trainable=["backbone.blocks.4?.*"]');
  const { device } = trainingMemory(upper, 'device');
  // Blocks 40 to 47 of 48: the first one's input, their outputs, the gradient of the last, and the three taps below.
  expect(device.find(({ what }) => what === 'tokens between stages')?.bytes).toBe(
    2 * 16 * (1 + 8 + 1 + 3) * 1297 * 3200,
  );
  expect(gb(device)['frozen weights']).toBeCloseTo((11.8 * 40) / 48, 0);
});

test('a head’s training takes no less than its backbone and its step, which are counted', async () => {
  const frozen = await config(FROZEN);
  const head = trainingMemory(frozen, 'device').device.find(({ what }) => what.startsWith('heads'))!;
  expect(trainerBytes(frozen)).toBeGreaterThan(featuresMemory(frozen) + head.bytes);
});

test('on a CPU the optimizer goes piece by piece, and holds no values to speak of', async () => {
  const { device } = trainingMemory(await config(FEW_SHOT, 'run.device=cpu'), 'device');
  expect(gb(device)).not.toHaveProperty("the optimizer's values");
});

test('in float32 there are no copies', async () => {
  const { device } = trainingMemory(await config(FEW_SHOT, 'run.precision=float32'), 'device');
  expect(device.some(({ what }) => what.startsWith('copies'))).toBe(false);
});
