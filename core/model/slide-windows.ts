import type { Size } from '../image/test-size.ts';
import type { CropShape } from './crop-shape.ts';

/** A grid of equal windows over an image: window (i, j) starts at (`tops[i]`, `lefts[j]`), pixels. */
export interface WindowGrid {
  /** Side of a window; windows are square. */
  heightPx: number;
  widthPx: number;
  tops: number[];
  lefts: number[];
}

/**
 * The windows of slide inference, row by row; whole mode is one window of the image's size.
 * Windows at the far border move inward, so the last two may overlap more.
 *
 * @returns null if the image is smaller than a crop (the original fails on it, too)
 * @see mmseg 0.30 `EncoderDecoder.slide_inference`, `whole_inference`
 */
export function slideWindows(
  image: Size,
  { sizePx: side, test }: Pick<CropShape, 'sizePx' | 'test'>,
): WindowGrid | null {
  if (test.mode === 'whole')
    return image.height === side && image.width === side
      ? { heightPx: side, widthPx: side, tops: [0], lefts: [0] }
      : null;
  const { cropPx, stridePx } = test;
  if (image.height < cropPx || image.width < cropPx) return null;
  return {
    heightPx: cropPx,
    widthPx: cropPx,
    tops: windowStarts(image.height, cropPx, stridePx),
    lefts: windowStarts(image.width, cropPx, stridePx),
  };
}

function windowStarts(side: number, crop: number, stride: number): number[] {
  const count = Math.floor(Math.max(side - crop + stride - 1, 0) / stride) + 1;
  return Array.from({ length: count }, (_, i) => Math.min(i * stride, side - crop));
}

export function windowCount(grid: WindowGrid): number {
  return grid.tops.length * grid.lefts.length;
}
