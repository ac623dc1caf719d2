import type { BackboneConfig } from '../config/config.ts';
import { FAMILIES } from './families/all.ts';
import type { Family } from './families/family.ts';
import type { TensorSpec } from './tensor-spec.ts';
import { type Naming, patchesAlong, type Vit } from './vit.ts';
import { POSITION_EMBEDDING, pretrainedPositionShape, tokensOf, vitTensors } from './vit-tensors.ts';

/* What is asked of a backbone by its config, whatever its family. */

/** The transformer that a config means. */
export function vitOf(config: BackboneConfig): Vit {
  return familyOf(config).vit(config);
}

/** Tensors that an inference reads, in the order of use. */
export function backboneSpecs({ backbone }: { backbone: BackboneConfig }): TensorSpec[] {
  return vitTensors(vitOf(backbone));
}

/** Tensors of a whole backbone as its authors publish it: every block, the position embedding at pre-training's grid. */
export function publishedSpecs(backbone: BackboneConfig): TensorSpec[] {
  const vit = vitOf({ ...backbone, taps: [backbone.depth - 1] });
  const position = pretrainedPositionShape(vit);
  return vitTensors(vit).map((spec) =>
    spec.name === POSITION_EMBEDDING && position ? { ...spec, shape: position } : spec,
  );
}

/** Patches along a side of a crop: the side of a tap's map. */
export function gridSide(config: BackboneConfig): number {
  return patchesAlong(config.imageSizePx, vitOf(config));
}

/** Tokens of a crop: class token, registers, patches. */
export function tokensPerImage(config: BackboneConfig): number {
  return tokensOf(vitOf(config));
}

/** Floating-point operations for one crop up to the last tap; a multiplication and an addition count as two. */
export function backboneFlops({ backbone }: { backbone: BackboneConfig }): number {
  const vit = vitOf(backbone);
  const { embedDim: c, patchSizePx, ffn, taps } = vit;
  const tokens = tokensOf(vit);
  const matrices = { gelu: 2, swiglu: 3 }[ffn.type];
  const linear = 2 * tokens * c * (3 * c + c + matrices * ffn.hidden);
  // Scores and their mixture: each token with each other one, over all channels.
  const attention = 2 * 2 * tokens * tokens * c;
  const embedding = 2 * patchesAlong(vit.imageSizePx, vit) ** 2 * c * 3 * patchSizePx ** 2;
  return embedding + (Math.max(...taps) + 1) * (linear + attention);
}

/** Block of a tensor by its name here; undefined for those of no block. */
export function blockOf(name: string): number | undefined {
  const block = /^backbone\.blocks\.(\d+)\./.exec(name)?.[1];
  return block === undefined ? undefined : Number(block);
}

/**
 * Layer of a tensor, for learning rates that decay with depth: embeddings are 0, block i is i + 1; undefined for what
 * lies above the last block.
 *
 * @see InternVL `mmcv_custom/layer_decay_optimizer_constructor.py`
 */
export function layerOf(name: string): number | undefined {
  if (/^backbone\.(cls_token|register_tokens|pos_embed|patch_embed\.)/.test(name)) return 0;
  const block = blockOf(name);
  return block === undefined ? undefined : block + 1;
}

/** The naming that a checkpoint's tensors follow: by signs, else the original repository's. */
export function namingOf(config: BackboneConfig, keys: Iterable<string>): Naming {
  const namings = familyOf(config).namings(config);
  const plain = [...keys].map(withoutPrefix);
  return namings.find(({ sign }) => plain.some((key) => sign.test(key))) ?? namings.at(-1)!;
}

/** Name here of a backbone's tensor, by its name in a checkpoint. */
export function backboneName(naming: Naming, key: string): string {
  const plain = withoutPrefix(key);
  const rename = naming.renames.find(([pattern]) => pattern.test(plain));
  return `backbone.${rename ? plain.replace(...rename) : plain}`;
}

/** What stands before a backbone's names where it is a part of something: a segmentor, or InternVL's chat model. */
function withoutPrefix(key: string): string {
  return key.replace(/^(backbone|vision_model|dinov2)\./, '');
}

function familyOf({ type }: BackboneConfig): Family {
  return FAMILIES[type];
}
