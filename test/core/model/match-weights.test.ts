import { describe, expect, test } from 'vitest';
import { readTensor } from '../../../core/checkpoint/tensor-data.ts';
import { openTorchFile } from '../../../core/checkpoint/torch-file.ts';
import { type TensorToWrite, writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { matchWeights } from '../../../core/model/match-weights.ts';
import { modelSpecs } from '../../../core/model/model-specs.ts';
import { float32Tensor, randomTensors, tinyConfig } from '../../builders.ts';

const { model } = tinyConfig();
const all = randomTensors(model);

async function file(tensors: TensorToWrite[], name = 'x.pth') {
  const bytes = writeTorchFile({ tensors });
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  return { torch: await openTorchFile(name, bytes.length, read), read };
}

async function match(tensors: TensorToWrite[], of = model) {
  return matchWeights([(await file(tensors)).torch], of);
}

describe('what a model needs', () => {
  test('is the embedding, the blocks up to the last tap, and the head', () => {
    const names = modelSpecs(model).map((spec) => spec.name);
    const blocks = new Set(names.map((name) => /blocks\.(\d+)\./.exec(name)?.[1]).filter(Boolean));
    expect([...blocks]).toEqual(['0', '1']);
    expect(names.filter((name) => name.startsWith('backbone.blocks.0.'))).toHaveLength(13);
    expect(names.filter((name) => name.startsWith('decode_head.'))).toHaveLength(6);
    expect(new Set(names).size).toBe(names.length);
  });

  test('has no query and key norms where the config has none', () => {
    const backbone = { ...model.backbone, qkNormalization: false };
    const names = modelSpecs({ ...model, backbone }).map((spec) => spec.name);
    expect(names.filter((name) => /[qk]_norm/.test(name))).toEqual([]);
    expect(names).toHaveLength(modelSpecs(model).length - 4);
  });
});

describe('a checkpoint matches', () => {
  test('when it holds every tensor under its name in a segmentor', async () => {
    const { sources, ignoredKeys } = await match(all);
    expect([...sources.keys()]).toEqual(all.map((tensor) => tensor.name));
    expect(ignoredKeys).toEqual([]);
  });

  test("when the backbone's keys have no prefix, as a backbone's own file writes them", async () => {
    const plain = all.map((tensor) => ({ ...tensor, name: tensor.name.replace(/^backbone\./, '') }));
    const { sources, ignoredKeys } = await match(plain);
    expect(sources.get('backbone.cls_token')?.tensor.name).toBe('cls_token');
    expect(sources.size).toBe(all.length);
    expect(ignoredKeys).toEqual([]);
  });

  test("when its position embedding has pre-training's grid", async () => {
    const resizable = replace('backbone.pos_embed', [1, 4 * 4 + 1, 16]);
    expect((await match(resizable)).sources.get('backbone.pos_embed')?.tensor.shape).toEqual([1, 17, 16]);
  });

  test('and lists keys that no part of the model has, by the names in the file', async () => {
    const extra = [
      'clip_projector.norm.weight',
      'auxiliary_head.conv_seg.bias',
      'backbone.blocks.7.ls1.gamma',
    ];
    const { ignoredKeys } = await match([...all, ...extra.map((name) => float32Tensor(name, [2], () => 0))]);
    expect(ignoredKeys).toEqual(extra);
  });

  test('and neither needs nor lists blocks behind the last tap', async () => {
    const later = float32Tensor('blocks.2.norm1.weight', [16], () => 1);
    const { sources, ignoredKeys } = await match([...all, later]);
    expect(sources.has('backbone.blocks.2.norm1.weight')).toBe(false);
    expect(ignoredKeys).toEqual([]);
  });
});

test('of two files the later one wins, and each tensor is read from its own', async () => {
  const name = 'decode_head.conv_seg.bias';
  const first = await file(all, 'backbone.pth');
  const second = await file([float32Tensor(name, [150], () => 42)], 'head.pth');
  const { sources } = matchWeights([first.torch, second.torch], model);
  const source = sources.get(name)!;
  expect(source.file.name).toBe('head.pth');
  expect(sources.get('backbone.cls_token')?.file.name).toBe('backbone.pth');
  const bytes = await readTensor(source.file, source.tensor, second.read);
  expect(new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true)).toBe(42);
});

describe('a checkpoint is refused', () => {
  test('when a tensor is missing: by name and shape', async () => {
    const refusal = match(all.filter(({ name }) => name !== 'decode_head.norm.running_var'));
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow(/^x\.pth: missing decode_head\.norm\.running_var \[16\]\. /);
  });

  test('when many are missing: the first three, and how many more; a head in its own file is suggested', async () => {
    const headless = all.filter(({ name }) => !name.startsWith('decode_head.'));
    await expect(match(headless)).rejects.toThrow(
      /missing .*norm\.weight.*norm\.bias.* and 3 more.*is the head in a file of its own/s,
    );
  });

  test('when a tensor has another shape: what it is, and what it should be', async () => {
    await expect(match(replace('decode_head.conv_seg.weight', [21, 16, 1, 1]))).rejects.toThrow(
      "x.pth: decode_head.conv_seg.weight has shape [21, 16, 1, 1], but the config's model needs [150, 16, 1, 1]",
    );
  });

  test('when the position embedding has neither of the two grids: both are named', async () => {
    await expect(match(replace('backbone.pos_embed', [1, 10, 16]))).rejects.toThrow(
      /has shape \[1, 10, 16\].*\[1, 5, 16\].*or \[1, 17, 16\]/,
    );
  });
});

function replace(name: string, shape: number[]): TensorToWrite[] {
  return all.map((tensor) => (tensor.name === name ? float32Tensor(name, shape, () => 0) : tensor));
}

describe('a checkpoint of another form', () => {
  const named = (...names: string[]) => names.map((name) => float32Tensor(name, [1], () => 0));

  test.each([
    ['vision_model.encoder.layers.0.self_attn.q_proj.weight', /Hugging Face Hub/],
    ['embeddings.cls_token', /Hugging Face Hub of another family/],
    ['_orig_mod.blocks.0.norm1.weight', /torch\.compile/],
    ['base_model.model.blocks.0.attn.qkv.lora_A.default.weight', /LoRA adapter \(peft\): merge it/],
    ['_fsdp_wrapped_module.cls_token', /FSDP/],
    ['teacher.backbone.cls_token', /training with a teacher/],
  ])('is named, with what it has and what is missing: %s', async (name, remedy) => {
    const refusal = match(named(name, 'b', 'c', 'd', 'e', 'f'));
    await expect(refusal).rejects.toThrow(remedy);
    await expect(refusal).rejects.toThrow(
      /^x\.pth: missing backbone\.\S+ \[.*\], .* and \d+ more\. The config's model/,
    );
    await expect(refusal).rejects.toThrow(`there are ${name}, b, c, d, e and 1 more.`);
  });

  test('that is not known shows what it has', async () => {
    await expect(match(named('fc.weight'))).rejects.toThrow(
      'there are fc.weight. Is this the right checkpoint?',
    );
  });
});
