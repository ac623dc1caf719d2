import { z } from 'zod';
import type { Vit } from '../vit.ts';
import type { Family } from './family.ts';
import {
  commonFields,
  commonFromJson,
  hiddenChannels,
  JSON_NAMES,
  pretrainSizePx,
  viTFields,
} from './fields.ts';

const schema = z.strictObject({
  type: z.literal('DINOv2'),
  pretrainSizePx,
  ...viTFields,
  /** SwiGLU in the giant model. */
  ffn: z.enum(['gelu', 'swiglu']).default('gelu'),
  hiddenChannels,
  registers: z.int().nonnegative().default(0),
  normEps: z.number().positive().default(1e-6),
});

/**
 * DINOv2, with registers or without. A crop that is no multiple of the patch is padded with zeros around it, as the
 * segmentation code does it.
 *
 * @see facebookresearch/dinov2 `dinov2/models/vision_transformer.py` and `dinov2/hub/utils.py` (CenterPadding);
 *   transformers `modeling_dinov2.py`, `modeling_dinov2_with_registers.py`
 */
export const dinoV2: Family<typeof schema> = {
  schema,
  vit: (config): Vit => {
    const antialias = config.registers > 0;
    return {
      ...commonFields(config),
      partialPatch: 'pad',
      registers: config.registers,
      norm: { type: 'layer', eps: config.normEps },
      finalNorm: true,
      qkNorm: false,
      bias: { q: true, k: true, v: true },
      ffn: { type: config.ffn, hidden: config.hiddenChannels },
      position: {
        type: 'learned',
        gridSide: Math.floor(config.pretrainSizePx / config.patchSizePx),
        resize: {
          // With registers both codes resize by sides; without, the original adds 0.1 to the new side.
          original: { antialias, sideOffset: antialias ? 0 : 0.1, arithmetic: 'float32' },
          huggingface: { antialias, sideOffset: 0, arithmetic: 'float32' },
        },
      },
    };
  },
  modelTypes: ['dinov2', 'dinov2_with_registers'],
  fromConfigJson: (json) => {
    const hidden = Math.trunc(Number(json.hidden_size) * Number(json.mlp_ratio ?? 4));
    // `hidden_act` says gelu of the giant model, too.
    const isGated = json.use_swiglu_ffn === true;
    return {
      type: 'DINOv2',
      ...commonFromJson(json),
      pretrainSizePx: json.image_size,
      ffn: isGated ? 'swiglu' : 'gelu',
      hiddenChannels: isGated ? Math.ceil(Math.trunc((hidden * 2) / 3) / 8) * 8 : hidden,
      registers: json.model_type === 'dinov2_with_registers' ? (json.num_register_tokens ?? 4) : 0,
    };
  },
  jsonNames: { ...JSON_NAMES, pretrainSizePx: 'image_size', hiddenChannels: 'mlp_ratio' },
  onlyJson: () => ({ num_channels: [3], qkv_bias: [true], hidden_act: ['gelu'] }),
  folder: 'dinov2',
  namings: () => [
    {
      name: 'huggingface',
      sign: /^(embeddings|encoder|layernorm)\./,
      renames: [
        [/^embeddings\.cls_token$/, 'cls_token'],
        [/^embeddings\.register_tokens$/, 'register_tokens'],
        [/^embeddings\.position_embeddings$/, 'pos_embed'],
        [/^embeddings\.patch_embeddings\.projection\./, 'patch_embed.proj.'],
        [/^encoder\.layer\.(\d+)\.attention\.attention\.query\./, 'blocks.$1.attn.q.'],
        [/^encoder\.layer\.(\d+)\.attention\.attention\.key\./, 'blocks.$1.attn.k.'],
        [/^encoder\.layer\.(\d+)\.attention\.attention\.value\./, 'blocks.$1.attn.v.'],
        [/^encoder\.layer\.(\d+)\.attention\.output\.dense\./, 'blocks.$1.attn.proj.'],
        [/^encoder\.layer\.(\d+)\.layer_scale([12])\.lambda1$/, 'blocks.$1.ls$2.gamma'],
        [/^encoder\.layer\.(\d+)\.mlp\.weights_in\./, 'blocks.$1.mlp.w12.'],
        [/^encoder\.layer\.(\d+)\.mlp\.weights_out\./, 'blocks.$1.mlp.w3.'],
        [/^encoder\.layer\./, 'blocks.'],
        [/^layernorm\./, 'norm.'],
      ],
    },
    { name: 'original', sign: /^patch_embed\./, renames: [] },
  ],
};
