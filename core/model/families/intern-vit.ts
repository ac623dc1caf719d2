import { z } from 'zod';
import type { Vit } from '../vit.ts';
import type { Family } from './family.ts';
import { commonFields, commonFromJson, JSON_NAMES, pretrainSizePx, viTFields } from './fields.ts';

const schema = z.strictObject({
  type: z.literal('InternViT'),
  pretrainSizePx,
  ...viTFields,
  /** Hidden channels of a block's MLP, by `embedDim`. */
  mlpRatio: z.number().positive(),
  /** RMSNorm in the 6B, LayerNorm in the 300M. */
  norm: z.enum(['rms', 'layer']).default('rms'),
  qkNormalization: z.boolean().default(true),
  qkvBias: z.boolean().default(false),
  normEps: z.number().positive().default(1e-6),
});

/**
 * InternViT-6B and -300M.
 *
 * @see InternVL `segmentation/mmseg_custom/models/backbones/intern_vit_6b.py`; for the names on the Hugging Face Hub
 *   `internvl_chat/internvl/model/internvl_chat/modeling_intern_vit.py`
 */
export const internViT: Family<typeof schema> = {
  schema,
  vit: (config): Vit => ({
    ...commonFields(config),
    partialPatch: 'ignore',
    registers: 0,
    norm: { type: config.norm, eps: config.normEps },
    finalNorm: false,
    qkNorm: config.qkNormalization,
    bias: { q: config.qkvBias, k: config.qkvBias, v: config.qkvBias },
    ffn: { type: 'gelu', hidden: Math.trunc(config.embedDim * config.mlpRatio) },
    position: {
      type: 'learned',
      gridSide: Math.floor(config.pretrainSizePx / config.patchSizePx),
      resize: {
        original: { antialias: false, sideOffset: 0, arithmetic: 'stored' },
        huggingface: { antialias: false, sideOffset: 0, arithmetic: 'float32' },
      },
    },
  }),
  modelTypes: ['intern_vit_6b'],
  fromConfigJson: (json) => ({
    type: 'InternViT',
    ...commonFromJson(json),
    pretrainSizePx: json.image_size,
    mlpRatio: Number(json.intermediate_size) / Number(json.hidden_size),
    // The 6B's leaves these out; its code's defaults hold.
    norm: json.norm_type === 'layer_norm' ? 'layer' : 'rms',
    qkNormalization: json.qk_normalization,
    qkvBias: json.qkv_bias,
  }),
  jsonNames: {
    ...JSON_NAMES,
    pretrainSizePx: 'image_size',
    mlpRatio: 'intermediate_size',
    qkNormalization: 'qk_normalization',
    qkvBias: 'qkv_bias',
  },
  onlyJson: () => ({ num_channels: [3], hidden_act: ['gelu'], norm_type: ['rms_norm', 'layer_norm'] }),
  folder: 'intern_vit',
  namings: () => [
    {
      name: 'huggingface',
      sign: /^(embeddings\.|encoder\.layers\.)/,
      renames: [
        [/^embeddings\.class_embedding$/, 'cls_token'],
        [/^embeddings\.position_embedding$/, 'pos_embed'],
        [/^embeddings\.patch_embedding\./, 'patch_embed.proj.'],
        [/^encoder\.layers\.(\d+)\.(ls[12])$/, 'blocks.$1.$2.gamma'],
        [/^encoder\.layers\./, 'blocks.'],
      ],
    },
    { name: 'original', sign: /^patch_embed\./, renames: [] },
  ],
};
