import type { Config } from '../config/config.ts';
import { headSpecs } from './head.ts';
import { gridSide, type TensorSpec } from './tensor-spec.ts';

export const POSITION_EMBEDDING = 'backbone.pos_embed';

/** Everything that a model reads from its checkpoints, in the order of use. */
export function tensorSpecs(model: Config['model']): TensorSpec[] {
  return [...backboneSpecs(model), ...headSpecs(model)];
}

/**
 * What the backbone reads, up to the last tap: blocks behind it are neither fetched nor loaded.
 * The position embedding is given at the crop's grid; it may come at pre-training's grid as well.
 *
 * @see InternVL `intern_vit_6b.py` for the names
 */
export function backboneSpecs({ backbone }: Config['model']): TensorSpec[] {
  const { embedDim: c, patchSizePx: p } = backbone;
  const hidden = Math.trunc(c * backbone.mlpRatio);
  const tokens = gridSide(backbone.imageSizePx, p) ** 2 + 1;
  const specs: TensorSpec[] = [
    { name: POSITION_EMBEDDING, shape: [1, tokens, c] },
    { name: 'backbone.cls_token', shape: [1, 1, c] },
    { name: 'backbone.patch_embed.proj.weight', shape: [c, 3, p, p] },
    { name: 'backbone.patch_embed.proj.bias', shape: [c] },
  ];
  for (let block = 0; block <= Math.max(...backbone.taps); block++) {
    const at = `backbone.blocks.${block}`;
    specs.push(
      { name: `${at}.norm1.weight`, shape: [c] },
      { name: `${at}.attn.qkv.weight`, shape: [3 * c, c] },
      ...(backbone.qkNormalization
        ? [
            { name: `${at}.attn.q_norm.weight`, shape: [c] },
            { name: `${at}.attn.k_norm.weight`, shape: [c] },
          ]
        : []),
      { name: `${at}.attn.proj.weight`, shape: [c, c] },
      { name: `${at}.attn.proj.bias`, shape: [c] },
      { name: `${at}.ls1.gamma`, shape: [c] },
      { name: `${at}.norm2.weight`, shape: [c] },
      { name: `${at}.mlp.fc1.weight`, shape: [hidden, c] },
      { name: `${at}.mlp.fc1.bias`, shape: [hidden] },
      { name: `${at}.mlp.fc2.weight`, shape: [c, hidden] },
      { name: `${at}.mlp.fc2.bias`, shape: [c] },
      { name: `${at}.ls2.gamma`, shape: [c] },
    );
  }
  return specs;
}
