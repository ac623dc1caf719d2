import { z } from 'zod';
import type { Vit } from '../vit.ts';
import type { Family } from './family.ts';
import { commonFields, commonFromJson, hiddenChannels, JSON_NAMES, viTFields } from './fields.ts';

const schema = z.strictObject({
  type: z.literal('DINOv3'),
  ...viTFields,
  /** SwiGLU in S+, H+ and the 7B. */
  ffn: z.enum(['gelu', 'swiglu']).default('gelu'),
  hiddenChannels,
  /** Biases of query and value; the key never has one. The 7B has none. */
  qvBias: z.boolean().default(true),
  registers: z.int().nonnegative().default(4),
  /** Base of the rotary embedding's periods; a checkpoint of the original repository holds its own. */
  ropeTheta: z.number().positive().default(100),
  normEps: z.number().positive().default(1e-5),
});

/**
 * DINOv3: rotary positions on the patch tokens, registers, and a key without bias.
 *
 * @see facebookresearch/dinov3 `dinov3/models/vision_transformer.py`, `dinov3/layers/`; transformers
 *   `modeling_dinov3_vit.py`
 */
export const dinoV3: Family<typeof schema> = {
  schema,
  vit: (config): Vit => ({
    ...commonFields(config),
    partialPatch: 'ignore',
    registers: config.registers,
    norm: { type: 'layer', eps: config.normEps },
    finalNorm: true,
    qkNorm: false,
    bias: { q: config.qvBias, k: false, v: config.qvBias },
    ffn: { type: config.ffn, hidden: config.hiddenChannels },
    position: { type: 'rotary', theta: config.ropeTheta },
  }),
  modelTypes: ['dinov3_vit'],
  fromConfigJson: (json) => ({
    type: 'DINOv3',
    ...commonFromJson(json),
    ffn: json.use_gated_mlp === true ? 'swiglu' : 'gelu',
    hiddenChannels: json.intermediate_size,
    qvBias: json.query_bias,
    registers: json.num_register_tokens,
    ropeTheta: json.rope_theta,
  }),
  jsonNames: {
    ...JSON_NAMES,
    hiddenChannels: 'intermediate_size',
    qvBias: 'query_bias',
    ropeTheta: 'rope_theta',
  },
  onlyJson: (json) => ({
    num_channels: [3],
    hidden_act: [json.use_gated_mlp === true ? 'silu' : 'gelu'],
    value_bias: [json.query_bias ?? true],
    key_bias: [false],
    mlp_bias: [true],
    proj_bias: [true],
  }),
  folder: 'dinov3',
  namings: ({ ffn }) => [
    {
      name: 'huggingface',
      sign: /^(embeddings|layer)\./,
      renames: [
        [/^embeddings\.(cls_token|register_tokens)$/, '$1'],
        [/^embeddings\.patch_embeddings\./, 'patch_embed.proj.'],
        [/^layer\.(\d+)\.attention\.([qkv])_proj\./, 'blocks.$1.attn.$2.'],
        [/^layer\.(\d+)\.attention\.o_proj\./, 'blocks.$1.attn.proj.'],
        [/^layer\.(\d+)\.layer_scale([12])\.lambda1$/, 'blocks.$1.ls$2.gamma'],
        [/^layer\.(\d+)\.mlp\.gate_proj\./, 'blocks.$1.mlp.w1.'],
        [/^layer\.(\d+)\.mlp\.up_proj\./, `blocks.$1.mlp.${ffn === 'gelu' ? 'fc1' : 'w2'}.`],
        [/^layer\.(\d+)\.mlp\.down_proj\./, `blocks.$1.mlp.${ffn === 'gelu' ? 'fc2' : 'w3'}.`],
        [/^layer\./, 'blocks.'],
      ],
    },
    {
      name: 'original',
      sign: /^patch_embed\./,
      renames: [[/^storage_tokens$/, 'register_tokens']],
    },
  ],
};
