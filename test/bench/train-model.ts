import type { VitModel } from '../../core/config/model-kinds.ts';

/** A model whose heads have given widths; its backbone is never run. */
export function randomHeadModel(sizes: {
  head: 'linear' | 'upernet';
  embed: number;
  channels: number;
  crop: number;
}): VitModel {
  const { embed, channels, crop } = sizes;
  const classes = 150;
  const isUperNet = sizes.head === 'upernet';
  return {
    backbone: {
      type: 'InternViT',
      pretrainSizePx: 224,
      imageSizePx: crop,
      patchSizePx: 14,
      embedDim: embed,
      depth: 48,
      heads: 25,
      mlpRatio: 4,
      normEps: 1e-6,
      norm: 'rms',
      qkNormalization: true,
      qkvBias: false,
      taps: isUperNet ? [11, 23, 35, 47] : [44],
    },
    head: isUperNet
      ? { type: 'upernet', channels, poolScales: [1, 2, 3, 6], classes, batchNormEps: 1e-5 }
      : { type: 'linear', channels: embed, classes, batchNormEps: 1e-5 },
    ...(isUperNet ? { auxiliaryHead: { channels: Math.min(channels, 256), level: 2, classes } } : {}),
    test: { mode: 'whole' },
  };
}
