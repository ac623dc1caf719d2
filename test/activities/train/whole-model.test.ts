import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { checkpointState } from '../../../activities/train/read-state.ts';
import { openTorchFile, readTensor, toFloat32 } from '../../../core/checkpoint/torch-file.ts';
import type { StateTensor } from '../../../core/config/train.ts';
import { bfloat16Bits } from '../../../core/model/bfloat16.ts';
import { modelSpecs } from '../../../core/model/model-specs.ts';
import { listCheckpoints } from '../../../core/train/checkpoint-pointers.ts';
import { optimizerSpecs } from '../../../core/train/state-specs.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { segment, trainable, trainRun } from './training-run.ts';

const folder = 's3://bucket/runs/train-1/checkpoints';
const config = trainable('train.trainable=all', 'run.device=cuda', 'run.precision=bfloat16');
const run = trainRun({ config });
const python = process.env.TESSERA_PYTHON;

async function trained(until: number, objects = new Map<string, Buffer>()) {
  await segment(memoryStore(objects), { run, until });
  return objects;
}

async function open(objects: Map<string, Buffer>, key: string) {
  const bytes = objects.get(`${folder}/${key}`)!;
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const file = await openTorchFile(key, bytes.length, read);
  const numbers = async (name: string) => {
    const tensor = file.tensors.get(name)!;
    return toFloat32(await readTensor(file, tensor, read), tensor.dtype);
  };
  return { file, numbers, bytes };
}

async function stateOf(objects: Map<string, Buffer>): Promise<StateTensor[]> {
  const checkpoint = (await listCheckpoints(memoryStore(objects), folder)).at(-1)!;
  const tensors = [];
  const source = await checkpointState(memoryStore(objects), checkpoint, config);
  for await (const tensor of source.tensors()) tensors.push(tensor);
  return tensors;
}

describe('a checkpoint of a model whose every parameter trains', () => {
  test('is the whole segmentor by mmseg’s names, the backbone in the type that it computes in', async () => {
    const { file } = await open(await trained(5), 'iter_5.pth');
    expect([...file.tensors.keys()]).toEqual(modelSpecs(config.model).map(({ name }) => name));
    for (const { name, dtype } of file.tensors.values())
      expect(dtype, name).toBe(name.startsWith('backbone.') ? 'bfloat16' : 'float32');
  });

  test('has moments and float32 masters beside it, of which the model is the rounded copy', async () => {
    const objects = await trained(5);
    const [model, optimizer] = [
      await open(objects, 'iter_5.pth'),
      await open(objects, 'iter_5.optimizer.pth'),
    ];
    expect([...optimizer.file.tensors.keys()]).toEqual(optimizerSpecs(config).map(({ name }) => name));
    const name = 'backbone.blocks.0.attn.qkv.weight';
    const master = await optimizer.numbers(`${name}.master`);
    const rounded = await model.numbers(name);
    expect(rounded).not.toEqual(master);
    expect(bfloat16Bits(rounded)).toEqual(bfloat16Bits(master));
  });

  test('is resumed from its masters: interrupted anywhere, a training ends at the same bytes', async () => {
    const whole = await trained(15);
    const resumed = await trained(5);
    const state = new Map((await stateOf(resumed)).map((tensor) => [tensor.name, tensor]));
    const { numbers } = await open(resumed, 'iter_5.optimizer.pth');
    expect(state.get('backbone.cls_token')!.data).toEqual(await numbers('backbone.cls_token.master'));
    await trained(10, resumed);
    await trained(15, resumed);
    for (const key of ['iter_15.pth', 'iter_15.optimizer.pth'])
      expect(resumed.get(`${folder}/${key}`)!.equals(whole.get(`${folder}/${key}`)!), key).toBe(true);
  });

  test.skipIf(!python)('is loaded by PyTorch with nothing but weights allowed', async () => {
    const { bytes, numbers } = await open(await trained(5), 'iter_5.pth');
    const file = path.join(temporaryFolder(), 'iter_5.pth');
    writeFileSync(file, bytes);
    const program = `
import json, sys, torch
loaded = torch.load(sys.argv[1], map_location='cpu', weights_only=True)
state = loaded['state_dict']
first = state['backbone.blocks.1.mlp.fc1.weight']
print(json.dumps(dict(iter=loaded['meta']['iter'], names=list(state), shape=list(first.shape), dtype=str(first.dtype),
  values=first.float().flatten().tolist())))`;
    const { stdout } = await promisify(execFile)(python!, ['-c', program, file]);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ iter: 5, shape: [32, 16], dtype: 'torch.bfloat16' });
    expect(found.names).toEqual(modelSpecs(config.model).map(({ name }) => name));
    expect(Float32Array.from(found.values)).toEqual(await numbers('backbone.blocks.1.mlp.fc1.weight'));
  });
});
