import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import type { TensorToWrite } from '../../../core/checkpoint/torch-writer.ts';
import type { VitConfig } from '../../../core/config/model-kinds.ts';
import { CROPS } from '../../../core/model/segmenter-graph.ts';
import { createRandom, randomCheckpoint, randomTensors, tinyConfig } from '../../builders.ts';
import { dict, pickle, tensor as pickled, torchZip } from '../../core/checkpoint/hand-made.ts';
import { safetensors } from '../../core/checkpoint/hand-made-safetensors.ts';
import { npyNumbers, readNpy } from '../../golden/check/npy.ts';
import { goldenFolder } from '../../golden-folder.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const GOLDEN = goldenFolder();
/** The model of the golden data at crops of 56 px: its head sees block 2. */
const GOLDEN_CONFIG = tinyConfig(
  ...[
    'pretrainSizePx=224',
    'imageSizePx=56',
    'embedDim=32',
    'depth=4',
    'heads=4',
    'mlpRatio=4',
    'taps=[2]',
  ].map((override) => `model.backbone.${override}`),
  'model.head.channels=32',
  'model.test={"mode":"whole"}',
  'run.batch=1',
);

/** Runs a config's graph over checkpoints, on crops `[B, S, S, 3]`. */
async function run(
  config: VitConfig,
  checkpoints: Record<string, Uint8Array>,
  crops: Uint8Array,
  stages: string[] = [],
) {
  const folder = temporaryFolder();
  const files = Object.entries(checkpoints).map(([name, bytes]) => {
    writeFileSync(join(folder, name), bytes);
    return { name, file: join(folder, name) };
  });
  const { modelFile } = await prepareModel(folder, files, config, stages);
  return runModel(modelFile, config, crops);
}

async function runModel(modelFile: string, config: VitConfig, crops: Uint8Array) {
  const side = config.model.backbone.imageSizePx;
  const session = await openSession(modelFile, { device: 'cpu', threads: 1 });
  const outputs = await runSession(
    session,
    { [CROPS]: tensor(crops, [config.run.batch, side, side, 3]) },
    'cpu',
  );
  await session.release();
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
}

function largestDifference(actual: Float32Array, expected: Float64Array): number {
  expect(actual.length).toBe(expected.length);
  return actual.reduce((largest, value, i) => Math.max(largest, Math.abs(value - expected[i]!)), 0);
}

test('the graph over the golden checkpoints gives what the original computes, to the logits', async () => {
  const folder = temporaryFolder();
  const files = ['vit_tiny_224px.pth', 'linear_head.pth'].map((name) => {
    copyFileSync(join(GOLDEN, 'checkpoints', name), join(folder, name));
    return { name, file: join(folder, name) };
  });
  const golden = (name: string) => readNpy(join(GOLDEN, 'model/linear_56', `${name}.npy`));
  const crops = golden('image_rgb_uint8');
  const config = { ...GOLDEN_CONFIG, run: { ...GOLDEN_CONFIG.run, batch: crops.shape[0]! } };
  const stages = ['tokens_in', 'b0_q_norm', 'b0_attn', 'b0_mlp', 'block0_out', 'block2_out', 'feat0'];
  const { modelFile } = await prepareModel(folder, files, config, stages);
  const outputs = await runModel(modelFile, config, crops.data as Uint8Array);
  for (const stage of [...stages, 'head_logits'])
    expect([stage, largestDifference(outputs[stage]!, npyNumbers(golden(stage))) < 2e-4]).toEqual([
      stage,
      true,
    ]);
});

describe('a checkpoint gives the same logits', () => {
  const config = tinyConfig('run.batch=2');
  const random = createRandom(3);
  const crops = Uint8Array.from({ length: 2 * 28 * 28 * 3 }, () => 256 * random());

  test('whether a weight lies in C order or transposed', async () => {
    const expected = await run(config, { 'x.pth': randomCheckpoint(config.model) }, crops);
    const strided = stridedCheckpoint(randomTensors(config.model), 'backbone.blocks.1.mlp.fc1.weight');
    const { head_logits: logits } = await run(config, { 'x.pth': strided }, crops);
    expect(logits).toEqual(expected.head_logits);
  });

  test('for a crop, whatever else is in its batch', async () => {
    const checkpoint = { 'x.pth': randomCheckpoint(config.model) };
    const { head_logits: together } = await run(config, checkpoint, crops);
    const alone = await run(tinyConfig('run.batch=1'), checkpoint, crops.subarray(crops.length / 2));
    expect(together!.subarray(together!.length / 2)).toEqual(alone.head_logits);
  });
});

/** A checkpoint in which one matrix is stored transposed, as `weight.t()` saves it. */
function stridedCheckpoint(tensors: TensorToWrite[], transposed: string): Uint8Array {
  const entries: Record<string, Uint8Array> = {};
  const values: Record<string, string> = {};
  tensors.forEach(({ name, shape, data }, i) => {
    const floats = new Float32Array((data as Uint8Array).slice().buffer);
    const [rows, columns] = shape as [number, number];
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, dim) => product * dim, 1));
    const isTransposed = name === transposed;
    const stored = isTransposed
      ? floats.map((_, at) => floats[(at % rows) * columns + Math.floor(at / rows)]!)
      : floats;
    entries[`data/${i}`] = new Uint8Array(stored.buffer);
    values[name] = pickled({
      storage: `${i}`,
      count: floats.length,
      shape,
      strides: isTransposed ? [1, rows] : strides,
    });
  });
  return torchZip(pickle(dict(values)), entries);
}

test.each([
  ['aligned', 8],
  ['at odd bytes', 1],
])('a safetensors file gives the logits of the torch file, its tensors %s', async (_, before) => {
  const config = tinyConfig('run.batch=1');
  const random = createRandom(3);
  const crops = Uint8Array.from({ length: 28 * 28 * 3 }, () => 256 * random());
  const tensors = randomTensors(config.model).map(
    ({ name, shape, data }) => [name, { dtype: 'F32', shape, data: data as Uint8Array }] as const,
  );
  const first = { dtype: 'U8', shape: [before], data: new Uint8Array(before) };
  const bytes = safetensors({ first, ...Object.fromEntries(tensors) });
  const { logits } = await run(config, { 'x.safetensors': bytes }, crops);
  expect(logits).toEqual((await run(config, { 'x.pth': randomCheckpoint(config.model) }, crops)).logits);
});
