import type { Config } from '../config/config.ts';
import { gridSide } from './tensor-spec.ts';

/**
 * Floating-point operations of a backbone for one crop, up to the last tap: a multiplication and an addition
 * count as two. Norms, softmax and heads are left out; they are below a per cent at the 6B's size.
 */
export function backboneFlops({ backbone }: Config['model']): number {
  const { embedDim: c, patchSizePx, imageSizePx, mlpRatio, taps } = backbone;
  const patches = gridSide(imageSizePx, patchSizePx) ** 2;
  const tokens = patches + 1;
  const hidden = Math.trunc(c * mlpRatio);
  const linear = 2 * tokens * c * (3 * c + c + 2 * hidden);
  // Scores and their mixture: each token with each other one, over all channels.
  const attention = 2 * 2 * tokens * tokens * c;
  const embedding = 2 * patches * c * 3 * patchSizePx ** 2;
  return embedding + (Math.max(...taps) + 1) * (linear + attention);
}
