import type { TensorSpec } from './tensor-spec.ts';
import { patchesAlong, prefixTokens, type Vit } from './vit.ts';

export const POSITION_EMBEDDING = 'backbone.pos_embed';
/** Periods of a rotary embedding, as DINOv3's own checkpoints hold them. */
export const ROPE_PERIODS = 'backbone.rope_embed.periods';

/**
 * What a backbone reads, up to the last tap: blocks behind it are neither fetched nor loaded.
 * The position embedding is given at the crop's grid; it may come at pre-training's grid as well.
 *
 * @see InternVL `intern_vit_6b.py`, dinov2 and dinov3 `vision_transformer.py` for the names
 */
export function vitTensors(vit: Vit): TensorSpec[] {
  const { embedDim: c, patchSizePx: p, registers, position, taps } = vit;
  const patches = patchesAlong(vit.imageSizePx, vit) ** 2;
  const specs: TensorSpec[] = [];
  if (position.type === 'learned') specs.push({ name: POSITION_EMBEDDING, shape: [1, 1 + patches, c] });
  else specs.push({ name: ROPE_PERIODS, shape: [c / vit.heads / 4], isOptional: true });
  specs.push({ name: 'backbone.cls_token', shape: [1, 1, c] });
  if (registers > 0) specs.push({ name: 'backbone.register_tokens', shape: [1, registers, c] });
  specs.push(
    { name: 'backbone.patch_embed.proj.weight', shape: [c, 3, p, p] },
    { name: 'backbone.patch_embed.proj.bias', shape: [c] },
  );
  for (let block = 0; block <= Math.max(...taps); block++)
    specs.push(...blockTensors(vit, `backbone.blocks.${block}`));
  if (vit.finalNorm) specs.push(...normTensors(vit, 'backbone.norm'));
  return specs;
}

/** Shape of a learned position embedding at pre-training's grid; null for a rotary one. */
export function pretrainedPositionShape({ position, embedDim }: Vit): number[] | null {
  return position.type === 'learned' ? [1, position.gridSide ** 2 + 1, embedDim] : null;
}

function blockTensors(vit: Vit, at: string): TensorSpec[] {
  const { embedDim: c, qkNorm } = vit;
  return [
    ...normTensors(vit, `${at}.norm1`),
    ...qkvTensors(vit, `${at}.attn`),
    ...(qkNorm ? ['q_norm', 'k_norm'] : []).map((norm) => ({
      name: `${at}.attn.${norm}.weight`,
      shape: [c],
    })),
    ...linearTensors(`${at}.attn.proj`, c, c),
    { name: `${at}.ls1.gamma`, shape: [c] },
    ...normTensors(vit, `${at}.norm2`),
    ...ffnTensors(vit, `${at}.mlp`),
    { name: `${at}.ls2.gamma`, shape: [c] },
  ];
}

function normTensors({ norm, embedDim }: Vit, key: string): TensorSpec[] {
  const parts = norm.type === 'layer' ? ['weight', 'bias'] : ['weight'];
  return parts.map((part) => ({ name: `${key}.${part}`, shape: [embedDim] }));
}

function linearTensors(key: string, from: number, to: number): TensorSpec[] {
  return [
    { name: `${key}.weight`, shape: [to, from] },
    { name: `${key}.bias`, shape: [to] },
  ];
}

/** Query, key and value: one tensor, or three. A key without bias has a part of zeros in one tensor, and none in three. */
function qkvTensors({ embedDim: c, bias }: Vit, at: string): TensorSpec[] {
  const parts = ['q', 'k', 'v'] as const;
  const weight: TensorSpec = {
    name: `${at}.qkv.weight`,
    shape: [3 * c, c],
    parts: parts.map((part) => ({ name: `${at}.${part}.weight`, shape: [c, c] })),
  };
  const biased = parts.filter((part) => bias[part]);
  if (biased.length === 0) return [weight];
  return [
    weight,
    {
      name: `${at}.qkv.bias`,
      shape: [3 * c],
      parts: biased.map((part) => ({ name: `${at}.${part}.bias`, shape: [c] })),
    },
  ];
}

/** SwiGLU's gate and its counterpart: one tensor in DINOv2, two in DINOv3. */
function ffnTensors({ embedDim: c, ffn: { type, hidden } }: Vit, at: string): TensorSpec[] {
  if (type === 'gelu')
    return [...linearTensors(`${at}.fc1`, c, hidden), ...linearTensors(`${at}.fc2`, hidden, c)];
  const gates = linearTensors(`${at}.w12`, c, 2 * hidden).map((spec) => ({
    ...spec,
    parts: ['w1', 'w2'].map((part) => ({
      name: spec.name.replace('.w12.', `.${part}.`),
      shape: [hidden, ...spec.shape.slice(1)],
    })),
  }));
  return [...gates, ...linearTensors(`${at}.w3`, hidden, c)];
}

/** Tokens of a square crop. */
export function tokensOf(vit: Vit): number {
  return patchesAlong(vit.imageSizePx, vit) ** 2 + prefixTokens(vit);
}
