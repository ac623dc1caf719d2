import type { ResizeConfig } from '../config/config.ts';
import { IGNORED_LABEL, type Labels, mirrorRows, WIDE_IGNORED_LABEL } from './label-map.ts';
import { type RgbImage, resizeBilinear } from './resize.ts';
import { resizeWithPillow } from './resize-pillow.ts';
import { testSizes } from './test-size.ts';

/**
 * The test pipeline up to normalisation (which is the graph's first step).
 *
 * @param image decoded, EXIF orientation applied
 * @returns the network's input, `[H, W, 3]` uint8 RGB
 */
export function resizeForTest(image: RgbImage, resize: ResizeConfig, ratio = 1): RgbImage {
  const resizeTo = resize.type === 'pillow' ? resizeWithPillow : resizeBilinear;
  let out = image;
  for (const size of testSizes(image, resize, ratio)) out = resizeTo(out, size.width, size.height);
  return out;
}

/** Mirrors an image left to right. @see mmcv `imflip` */
export function flipHorizontally({ width, height, data }: RgbImage): RgbImage {
  return { width, height, data: mirrorRows(data, width, 3) };
}

/**
 * Turns an annotation's values into labels, in place.
 *
 * @see mmseg 0.30 `LoadAnnotations(reduce_zero_label=True)`: 0 → 255, 1…254 → 0…253, 255 stays; of 16 bits, which it doesn't
 *   read, likewise with 65535
 */
export function reduceZeroLabel(labels: Labels): void {
  const ignored = labels instanceof Uint8Array ? IGNORED_LABEL : WIDE_IGNORED_LABEL;
  for (let i = 0; i < labels.length; i++) {
    const value = labels[i]!;
    labels[i] = value === 0 || value === ignored ? ignored : value - 1;
  }
}
