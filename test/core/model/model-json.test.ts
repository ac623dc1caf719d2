import { describe, expect, test } from 'vitest';
import { BadInput } from '../../../core/config/failures.ts';
import { backboneFromJson } from '../../../core/model/model-json.ts';
import {
  DINOV2_GIANT,
  DINOV2_REGISTERS,
  DINOV3_7B,
  DINOV3_S,
  INTERNVIT_6B,
  INTERNVIT_300M,
} from './model-jsons.ts';

const read = (json: unknown) => backboneFromJson(json, 'config.json');

describe("a model's config.json", () => {
  test.each([
    [
      'InternViT-6B, which leaves its norm out',
      INTERNVIT_6B,
      {
        type: 'InternViT',
        pretrainSizePx: 56,
        patchSizePx: 14,
        embedDim: 30,
        depth: 4,
        heads: 5,
        mlpRatio: 4,
        norm: 'rms',
        qkNormalization: true,
        qkvBias: false,
        normEps: 1e-6,
      },
    ],
    ['InternViT-300M', INTERNVIT_300M, { norm: 'layer', qkNormalization: false, qkvBias: true }],
    [
      'DINOv2 giant, whose hidden channels are not in it',
      DINOV2_GIANT,
      { type: 'DINOv2', ffn: 'swiglu', hiddenChannels: 88, registers: 0 },
    ],
    ['DINOv2 with registers', DINOV2_REGISTERS, { ffn: 'gelu', hiddenChannels: 96, registers: 4 }],
    [
      'DINOv3',
      DINOV3_S,
      {
        type: 'DINOv3',
        patchSizePx: 16,
        embedDim: 24,
        depth: 4,
        heads: 2,
        ffn: 'gelu',
        hiddenChannels: 96,
        qvBias: true,
        registers: 4,
        ropeTheta: 100,
        normEps: 1e-5,
      },
    ],
    ['DINOv3 7B', DINOV3_7B, { ffn: 'swiglu', hiddenChannels: 64, qvBias: false }],
  ])('of %s is read', (_, json, expected) => {
    const { fields } = read(json);
    expect(fields).toMatchObject(expected);
    // To be chosen by the user.
    expect(fields).not.toHaveProperty('taps');
    expect(fields).not.toHaveProperty('imageSizePx');
  });

  test('of another kind of model is refused: those that are read are named', () => {
    expect(() => read({ ...DINOV3_S, model_type: 'swin' })).toThrow(
      new BadInput(
        'config.json: model_type is "swin"; read are intern_vit_6b, dinov2, dinov2_with_registers, dinov3_vit',
      ),
    );
    for (const json of [{}, [], 'text', null])
      expect(() => read(json)).toThrow("has no model_type; expected a model's config.json");
  });

  test.each([
    ['hidden_size', DINOV3_S],
    ['num_hidden_layers', INTERNVIT_6B],
    ['intermediate_size', DINOV3_S],
    ['intermediate_size', INTERNVIT_6B],
    ['hidden_size', DINOV2_GIANT],
    ['image_size', DINOV2_GIANT],
  ])('names what is missing by its own names: %s', (name, json) => {
    const { [name]: _, ...rest } = json;
    expect(() => read(rest)).toThrow(new BadInput(`config.json: ${name} is missing`));
  });

  test.each([
    [{ patch_size: [14, 14] }, 'patch_size is [14,14]: Invalid input: expected number'],
    [{ num_attention_heads: 0 }, 'num_attention_heads is 0: Too small'],
    [{ mlp_ratio: 'four' }, 'mlp_ratio is "four": Invalid input: expected number'],
    [{ hidden_act: 'relu' }, 'hidden_act is "relu", but the family\'s code is only known with "gelu"'],
    [{ num_channels: 4 }, 'num_channels is 4, but'],
  ])('is refused with %o, in its own words', (changed, message) => {
    expect(() => read({ ...DINOV2_REGISTERS, ...changed })).toThrow(`config.json: ${message}`);
  });

  test('is refused with biases that the family has not', () => {
    expect(() => read({ ...DINOV3_S, key_bias: true })).toThrow('key_bias is true');
    expect(() => read({ ...DINOV3_S, value_bias: false })).toThrow('value_bias is false');
    expect(() => read({ ...DINOV3_7B, hidden_act: 'gelu' })).toThrow('hidden_act is "gelu"');
  });
});
