import { IGNORED_LABEL, type Labels, WIDE_IGNORED_LABEL } from './label-map.ts';
import type { Size } from './test-size.ts';

/** Between image, truth and prediction, which lie beside each other in an overlay. */
export const OVERLAY_GAP_PX = 6;

/** The image shows through. */
const WRONG = [230, 57, 70, 205] as const;
/** What counts for nothing is darkened. */
const UNLABELLED = [0, 0, 0, 150] as const;

/**
 * Where a prediction differs from the truth, to be laid over the image: a pixel that is right is transparent.
 *
 * @param truth `[H, W]`, 255 (of 16 bits: 65535) where it is not known
 * @param prediction `[H, W]`
 * @param size of both
 * @param shown size of the map: the nearest pixel is taken
 * @returns RGBA, `[h, w, 4]`
 */
export function errorMap(truth: Labels, prediction: Labels, size: Size, shown: Size): Uint8Array {
  const ignored = truth instanceof Uint8Array ? IGNORED_LABEL : WIDE_IGNORED_LABEL;
  const out = new Uint8Array(shown.width * shown.height * 4);
  const nearest = (at: number, from: number, to: number) => Math.floor(((at + 0.5) * from) / to);
  for (let y = 0; y < shown.height; y++) {
    const row = nearest(y, size.height, shown.height) * size.width;
    for (let x = 0; x < shown.width; x++) {
      const i = row + nearest(x, size.width, shown.width);
      const isKnown = truth[i] !== ignored;
      if (isKnown && truth[i] === prediction[i]) continue;
      out.set(isKnown ? WRONG : UNLABELLED, 4 * (y * shown.width + x));
    }
  }
  return out;
}
