import type { BackboneConfig } from '../../../../core/config/config.ts';
import { FAMILIES } from '../../../../core/model/families/all.ts';
import type { BackboneCase } from './manifest.ts';

const TYPES = { internvit: 'InternViT', dinov2: 'DINOv2', dinov3: 'DINOv3' } as const;

/** The backbone of a case as a config has it, every block a tap. */
export function backboneOfCase({ family, arch }: Pick<BackboneCase, 'family' | 'arch'>): BackboneConfig {
  const common = {
    type: TYPES[family],
    imageSizePx: arch.patch * (arch.pos?.grid ?? 3),
    patchSizePx: arch.patch,
    embedDim: arch.dim,
    depth: arch.depth,
    heads: arch.heads,
    normEps: arch.eps,
    taps: Array.from({ length: arch.depth }, (_, block) => block),
  };
  const pretrainSizePx = arch.patch * (arch.pos?.grid ?? 0);
  const registers = arch.prefix.filter((token) => token === 'register').length;
  const ofFamily = {
    internvit: {
      pretrainSizePx,
      mlpRatio: arch.inner / arch.dim,
      norm: arch.norm,
      qkNormalization: arch.qkNorm,
      qkvBias: arch.qkvBias,
    },
    dinov2: { pretrainSizePx, ffn: arch.ffn, hiddenChannels: arch.inner, registers },
    dinov3: {
      ffn: arch.ffn,
      hiddenChannels: arch.inner,
      registers,
      qvBias: arch.qvBias,
      ropeTheta: arch.rope?.theta,
    },
  }[family];
  return FAMILIES[TYPES[family]].schema.parse({ ...common, ...ofFamily });
}

/** The same from the model's own config.json. */
export function backboneOfConfigJson(
  { family, arch }: Pick<BackboneCase, 'family' | 'arch'>,
  json: Record<string, unknown>,
): BackboneConfig {
  const { imageSizePx, taps } = backboneOfCase({ family, arch });
  const { schema, fromConfigJson } = FAMILIES[TYPES[family]];
  return schema.parse({ ...fromConfigJson(json), imageSizePx, taps });
}
