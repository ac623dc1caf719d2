import type { ResizeConfig } from '../config/config.ts';

export interface Size {
  width: number;
  height: number;
}

/**
 * The sizes that an image goes through on its way into the network, in order. Each is rounded to
 * bytes on its own: the resizes are not to be merged.
 *
 * @param ratio test-time augmentation's scale of the short side; 1 without augmentation
 * @see InternVL `mmseg_custom` SETR_Resize, mmseg 0.30 `Resize` and `ResizeToMultiple`
 */
export function testSizes(original: Size, resize: ResizeConfig, ratio = 1): Size[] {
  switch (resize.type) {
    case 'exact':
      return [{ width: resize.widthPx, height: resize.heightPx }];
    case 'fit': {
      const long = Math.trunc(resize.longPx * ratio);
      const scaled = rescale(original, long, Math.trunc(resize.shortPx * ratio));
      return [scaled, roundUp(scaled, resize.multiplePx)];
    }
    case 'pillow': {
      const short = Math.trunc(resize.shortSidePx * ratio);
      const side = (px: number) => Math.floor((short * px) / Math.min(original.width, original.height) + 0.5);
      return [{ width: side(original.width), height: side(original.height) }];
    }
    case 'short-side': {
      // Ratios below 1 would make images smaller than the crop: the short side never falls below it.
      const short = Math.max(resize.shortSidePx, Math.trunc(resize.shortSidePx * ratio));
      const { width, height } = original;
      const long = (short * Math.max(width, height)) / Math.min(width, height);
      const scaled = rescale(original, long, short);
      return [scaled, roundUp(scaled, resize.multiplePx)];
    }
  }
}

/** The network's input size. */
export function networkSize(original: Size, resize: ResizeConfig, ratio = 1): Size {
  return testSizes(original, resize, ratio).at(-1)!;
}

/** The largest size with the image's ratio within (long, short). @see mmcv 1.7 `rescale_size` */
export function rescale({ width, height }: Size, long: number, short: number): Size {
  const scale = Math.min(long / Math.max(width, height), short / Math.min(width, height));
  return { width: Math.trunc(width * scale + 0.5), height: Math.trunc(height * scale + 0.5) };
}

function roundUp({ width, height }: Size, multiple: number): Size {
  const up = (side: number) => Math.ceil(side / multiple) * multiple;
  return { width: up(width), height: up(height) };
}
