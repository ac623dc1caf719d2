import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { memoryStore } from '../../activities/deliver/memory-store.ts';
import { writeMiniAde } from '../../cli/demo/mini-ade.ts';
import { tinyConfig } from '../builders.ts';
import { BenchReportSchema } from './bench-report.ts';
import { benchText } from './bench-text.ts';
import { benchInProcess } from './in-process.ts';
import { PRESETS } from './presets.ts';
import { randomModel } from './random-model.ts';
import { stageInputs } from './stage-inputs.ts';

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tessera-bench-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

test('a small benchmark has figures above zero for each part, and fits its schema', async () => {
  const folder = await temporaryFolder();
  const ade = path.join(folder, 'ade');
  await writeMiniAde(ade, { training: 0, validation: 5, seed: 1 });
  const config = tinyConfig();
  const store = memoryStore();
  const files = { ade, ...(await randomModel(folder, config.model)) };
  const input = await stageInputs(store, 's3://bench', files, config);
  const inProcess = await benchInProcess({
    store,
    input,
    config,
    images: 4,
    passes: 2,
    threads: 1,
    cacheFolder: path.join(folder, 'cache'),
    say() {},
  });

  const report = BenchReportSchema.parse({
    version: 1,
    date: new Date().toISOString(),
    environment: { cpu: 'c', cores: 1, device: 'c', node: '20', onnxRuntime: '1', codeVersion: '0' },
    config,
    weights: 'random',
    inProcess,
    endToEnd: null,
  });
  expect(inProcess).toMatchObject({ images: 4, threads: 1 });
  expect(inProcess.passes).toHaveLength(2);
  for (const pass of inProcess.passes) {
    const { both, ...parts } = pass.split;
    // On a CPU the stitcher has no thread of its own.
    expect(both).toBe(0);
    for (const [part, seconds] of Object.entries(parts)) expect(seconds, part).toBeGreaterThan(0);
    expect(pass.split.graph + pass.split.stitch).toBeLessThanOrEqual(pass.seconds);
    expect(pass.batches).toBe(Math.ceil(inProcess.crops / config.run.batch));
    expect(pass.imagesPerSecond * inProcess.crops).toBeCloseTo(pass.cropsPerSecond * inProcess.images);
  }
  for (const [part, seconds] of Object.entries(inProcess.load)) expect(seconds, part).toBeGreaterThan(0);
  for (const part of Object.keys(inProcess.passes[0]!.split)) expect(benchText(report)).toContain(part);
});

test('random weights of a model are made once, and a model that is too big is refused', async () => {
  const folder = await temporaryFolder();
  const { model } = tinyConfig();
  const [first, again] = [await randomModel(folder, model), await randomModel(folder, model)];
  expect(again).toEqual(first);
  const wide = { ...model, backbone: { ...model.backbone, embedDim: 3200, depth: 48, taps: [44] } };
  await expect(randomModel(folder, wide)).rejects.toThrow(/GB of weights/);
});

test('the mid-size preset has the sizes of the reference benchmark', () => {
  const { model, name } = tinyConfig(...PRESETS.mid.overrides);
  expect(name).toBe('mid');
  expect(model.backbone).toMatchObject({ embedDim: 384, depth: 12, heads: 6, taps: [10], imageSizePx: 504 });
  expect(model.test).toEqual({ mode: 'slide', cropPx: 504, stridePx: 322 });
});
