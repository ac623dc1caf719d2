import { headType } from '../model/head.ts';
import type { BackboneConfig, ResizeConfig } from './config.ts';
import type { VitConfig } from './model-kinds.ts';

/** Sides and widths of a config that is scaled down. */
export interface Scale {
  imageSizePx: number;
  embedDim: number;
  heads: number;
  /** Of UperNet and the auxiliary head; a linear head is as wide as the backbone. */
  headChannels: number;
}

/**
 * The same config at other dimensions, on a CPU: the same blocks, taps, head, mode and resizes, all pixels in
 * proportion. For seeing that a recipe runs where its real size doesn't fit.
 *
 * @throws nothing; the result is to be parsed, since not every scale fits
 */
export function scaleConfig(
  config: VitConfig,
  { imageSizePx, embedDim, heads, headChannels }: Scale,
): VitConfig {
  const { backbone, head, auxiliaryHead, test } = config.model;
  const { train } = config;
  const px = (value: number) => Math.round((value * imageSizePx) / backbone.imageSizePx);
  return {
    ...config,
    model: {
      ...config.model,
      backbone: scaleBackbone(backbone, { imageSizePx, embedDim, heads }),
      head: {
        ...head,
        channels: headType(head).isAsWideAsTaps ? embedDim * backbone.taps.length : headChannels,
      },
      ...(auxiliaryHead && { auxiliaryHead: { ...auxiliaryHead, channels: headChannels } }),
      test: test.mode === 'slide' ? { ...test, cropPx: imageSizePx, stridePx: px(test.stridePx) } : test,
    },
    pipeline: {
      ...config.pipeline,
      resize: scaleResize(config.pipeline.resize, px),
    },
    run: { ...config.run, device: 'cpu', precision: 'float32', threads: 1 },
    ...(train && {
      train: {
        ...train,
        augmentation: {
          ...train.augmentation,
          longPx: px(train.augmentation.longPx),
          shortPx: px(train.augmentation.shortPx),
        },
      },
    }),
  };
}

function scaleResize(resize: ResizeConfig, px: (value: number) => number): ResizeConfig {
  switch (resize.type) {
    case 'short-side':
    case 'pillow':
      return { ...resize, shortSidePx: px(resize.shortSidePx) };
    case 'fit':
      return { ...resize, longPx: px(resize.longPx), shortPx: px(resize.shortPx) };
    case 'exact':
      return { ...resize, widthPx: px(resize.widthPx), heightPx: px(resize.heightPx) };
  }
}

function scaleBackbone(
  backbone: BackboneConfig,
  { imageSizePx, embedDim, heads }: Pick<Scale, 'imageSizePx' | 'embedDim' | 'heads'>,
): BackboneConfig {
  const scaled = { ...backbone, imageSizePx, embedDim, heads };
  if (!('hiddenChannels' in scaled)) return scaled;
  const hiddenChannels = Math.round((scaled.hiddenChannels * embedDim) / backbone.embedDim);
  return { ...scaled, hiddenChannels };
}
