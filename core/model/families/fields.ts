import { z } from 'zod';
import type { Vit } from '../vit.ts';

const positive = z.int().positive();

/** What the configs of all families have. */
export const viTFields = {
  /** Side of the square crops that the backbone sees. */
  imageSizePx: positive,
  patchSizePx: positive,
  /** Channels of the backbone. */
  embedDim: positive,
  /** Blocks. */
  depth: positive,
  /** Attention heads of a block. */
  heads: positive,
  /** Blocks whose output the head sees, 0-based. Blocks after the last one are neither loaded nor run. */
  taps: z.array(z.int().nonnegative()).min(1),
};

/** Side of the images of pre-training: the checkpoint's position embedding is (pretrainSizePx / patchSizePx)². */
export const pretrainSizePx = positive;

/** Hidden channels of a block's feed-forward network; of SwiGLU, those behind the product. */
export const hiddenChannels = positive;

type Common = Pick<Vit, keyof typeof viTFields>;

/** The fields that mean the same in a config and in a transformer. */
export function commonFields({ imageSizePx, patchSizePx, embedDim, depth, heads, taps }: Common): Common {
  return { imageSizePx, patchSizePx, embedDim, depth, heads, taps };
}

/** Where the common fields stand in a config.json, and those that have the same name in several families. */
export const JSON_NAMES = {
  patchSizePx: 'patch_size',
  embedDim: 'hidden_size',
  depth: 'num_hidden_layers',
  heads: 'num_attention_heads',
  normEps: 'layer_norm_eps',
  registers: 'num_register_tokens',
};

/** The fields of a config.json that all families have. */
export function commonFromJson(json: Record<string, unknown>) {
  return {
    patchSizePx: json.patch_size,
    embedDim: json.hidden_size,
    depth: json.num_hidden_layers,
    heads: json.num_attention_heads,
    normEps: json.layer_norm_eps,
  };
}
