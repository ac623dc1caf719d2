import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryStore } from '../../activities/deliver/memory-store.ts';
import { loadVitConfig } from '../../activities/plan/load-config.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { trainable } from '../activities/train/training-run.ts';
import { temporaryFolder } from '../infra/observe.ts';
import type { Phase } from './phases.ts';
import { blocksIn, expectedBytes, extrapolate, withBlocks } from './train-size.ts';
import { trainSmoke } from './train-smoke.ts';

test('a small model takes two steps, a checkpoint, and a third step twice, and leaves nothing behind', async () => {
  const stateFolder = temporaryFolder();
  const objects = new Map<string, Buffer>();
  const phases: Phase[] = [];
  const folder = join(stateFolder, 'smoke');
  const { peakBytes } = await trainSmoke({
    session: { store: memoryStore(objects), bucket: 'bucket' },
    stateFolder,
    folder,
    config: trainable('train.trainable=all', 'train.batch=2', 'run.batch=1', 'train.dropPathRate=0.4'),
    minFreeBytes: 0,
    onPhase: (phase) => phases.push(phase),
    onStep() {},
  });
  const step = (name: string) => [`${name}: forward`, `${name}: backward`, `${name}: optimizer`];
  expect(phases.map(({ name }) => name)).toEqual([
    'make and stage the backbone',
    'straight: open',
    'straight: load',
    ...step('step 1'),
    ...step('step 2'),
    'checkpoint: to disk',
    'checkpoint: to S3',
    ...step('step 3'),
    'resume: open',
    'resume: load',
    ...step('step 3 again'),
  ]);
  for (const { name, seconds } of phases) expect(seconds, name).toBeGreaterThan(0);
  const losses = phases.flatMap(({ notes }) => /^loss (.+)/.exec(notes)?.[1] ?? []);
  expect(losses[3]).toBe(losses[2]);
  expect(new Set(losses).size).toBe(3);
  expect(peakBytes).toBeGreaterThan(0);
  expect([...objects.keys()]).toEqual([]);
  expect(existsSync(folder)).toBe(false);
});

test('as many blocks are trained as the memory holds, and figures of few are multiplied to those of all', async () => {
  const name = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_1of1';
  const overrides = ['run.device=cpu', 'run.precision=float32', 'run.batch=1', 'train.batch=1'];
  const whole = applyOverrides(await loadVitConfig(name), overrides, name) as TrainableConfig;
  const blocks = blocksIn(whole, 20e9);
  expect(expectedBytes(withBlocks(whole, blocks))).toBeLessThan(20e9);
  expect(expectedBytes(withBlocks(whole, blocks + 1))).toBeGreaterThan(20e9);
  expect(blocksIn(whole, 0)).toBe(1);
  const { seconds, bytes } = extrapolate({ seconds: 3, bytes: 5e9 }, 12, whole);
  expect(seconds).toBe(12);
  // 36 blocks more: parameters and moments of 123 million each, and their tokens.
  expect((bytes - 5e9) / 36e9).toBeCloseTo(1.49, 2);
});
