import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import type { Tensor } from '../../../activities/onnx/runtime.ts';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import { openTorchFile } from '../../../core/checkpoint/torch-file.ts';
import type { VitConfig } from '../../../core/config/model-kinds.ts';
import { backboneSteps, headSteps } from '../../../core/model/block-graphs.ts';
import { matchWeights } from '../../../core/model/match-weights.ts';
import { CROPS, LOGITS } from '../../../core/model/segmenter-graph.ts';
import { openWeights } from '../../../core/model/weights.ts';
import { createRandom, randomCheckpoint, tinyConfig } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const UPERNET = [
  'model.backbone.depth=5',
  'model.backbone.taps=[0,1,2,3]',
  'model.head={"type":"upernet","channels":8,"poolScales":[1,2],"classes":5}',
];

/** A checkpoint for a config in a folder, and crops. */
function arrange(config: VitConfig) {
  const folder = temporaryFolder();
  const file = join(folder, 'x.pth');
  const bytes = randomCheckpoint(config.model);
  writeFileSync(file, bytes);
  const random = createRandom(5);
  const side = config.model.backbone.imageSizePx;
  const crops = Uint8Array.from({ length: config.run.batch * side * side * 3 }, () => 256 * random());
  return { folder, file, bytes, crops: tensor(crops, [config.run.batch, side, side, 3]) };
}

async function inOneSession(config: VitConfig, { folder, file, crops }: ReturnType<typeof arrange>) {
  const { modelFile } = await prepareModel(folder, [{ name: 'x.pth', file }], config);
  const session = await openSession(modelFile, { device: 'cpu', threads: 1 });
  const outputs = await runSession(session, { [CROPS]: crops }, 'cpu');
  await session.release();
  return outputs[LOGITS]!.data as Float32Array;
}

async function stepByStep(config: VitConfig, { folder, file, bytes, crops }: ReturnType<typeof arrange>) {
  const read = async (offset: number, length: number) => {
    await using handle = await open(file);
    return (await handle.read(Buffer.alloc(length), 0, length, offset)).buffer;
  };
  const torch = await openTorchFile('x.pth', bytes.length, read);
  const matched = matchWeights([torch], config.model);
  const weights = await openWeights(matched, [{ index: torch, read, location: 'x.pth' }], config.model);
  const values = new Map<string, Tensor>([[CROPS, crops]]);
  const names: string[] = [];
  const options = { config, weights, batch: config.run.batch };
  for (const step of [...backboneSteps(options), ...headSteps(options)]) {
    const modelFile = join(folder, 'step.onnx');
    writeFileSync(modelFile, step.model);
    const session = await openSession(modelFile, { device: 'cpu', threads: 1 });
    const inputs = Object.fromEntries(step.inputs.map((name) => [name, values.get(name)!]));
    for (const [name, value] of Object.entries(await runSession(session, inputs, 'cpu')))
      values.set(name, value);
    await session.release();
    names.push(step.name);
  }
  return { names, logits: values.get(LOGITS)!.data as Float32Array };
}

test.each([
  ['linear', ['run.batch=2'], ['embedding', 'block 0', 'block 1', 'linear head']],
  [
    'UperNet',
    ['run.batch=1', ...UPERNET],
    ['embedding', 'block 0', 'block 1', 'block 2', 'block 3', 'neck', 'upernet head'],
  ],
])('block after block gives what one session gives: %s', async (_, overrides, steps) => {
  const config = tinyConfig(...overrides);
  const arranged = arrange(config);
  const whole = await inOneSession(config, arranged);
  const { names, logits } = await stepByStep(config, arranged);
  expect(names).toEqual(steps);
  expect(whole.some((value) => value !== 0)).toBe(true);
  const largest = whole.reduce((most, value, i) => Math.max(most, Math.abs(value - logits[i]!)), 0);
  expect(largest).toBeLessThanOrEqual(1e-6);
});
