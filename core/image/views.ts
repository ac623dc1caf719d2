import type { Config } from '../config/config.ts';
import { flipHorizontally, resizeForTest } from './preprocess.ts';
import type { RgbImage } from './resize.ts';

/** How test-time augmentation looks at an image: its short side times `ratio`, mirrored or not. */
export interface ViewKind {
  ratio: number;
  isFlipped: boolean;
}

/** The network's input for one view of an image. */
export interface View {
  image: RgbImage;
  isFlipped: boolean;
}

/** The original's test-time augmentation. @see mmseg 0.30 tools/test.py --aug-test */
export const AUG_TEST = { ratios: [0.5, 0.75, 1, 1.25, 1.5, 1.75], flip: true };

/**
 * The views of a test pipeline, in the original's order; one plain view without augmentation.
 *
 * @see mmseg 0.30 `MultiScaleFlipAug`
 */
export function viewKinds({ augmentation }: Pick<Config['pipeline'], 'augmentation'>): ViewKind[] {
  if (!augmentation) return [{ ratio: 1, isFlipped: false }];
  const flips = augmentation.flip ? [false, true] : [false];
  return augmentation.ratios.flatMap((ratio) => flips.map((isFlipped) => ({ ratio, isFlipped })));
}

/** @param image decoded, `[H, W, 3]` */
export function makeViews(image: RgbImage, pipeline: Config['pipeline']): View[] {
  const resized = new Map<number, RgbImage>();
  return viewKinds(pipeline).map(({ ratio, isFlipped }) => {
    const plain = resized.get(ratio) ?? resizeForTest(image, pipeline.resize, ratio);
    resized.set(ratio, plain);
    return { image: isFlipped ? flipHorizontally(plain) : plain, isFlipped };
  });
}
