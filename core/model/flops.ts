import { elementCount } from '../checkpoint/dtypes.ts';
import type { Config } from '../config/config.ts';
import { evaluatedModel, headSpecs, levelSides } from './head.ts';
import { gridSide } from './tensor-spec.ts';

/**
 * Floating-point operations of a backbone for one crop, up to the last tap: a multiplication and an addition
 * count as two. Norms and softmax are left out; they are below a per cent at the 6B's size.
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

/** Of all that follows the backbone for one crop, UperNet's feature pyramid among it: its convolutions. */
export function headFlops(model: Config['model']): number {
  const evaluated = evaluatedModel(model);
  const kernels = headSpecs(evaluated).filter(({ shape }) => shape.length === 4);
  return kernels.reduce((sum, { name, shape }) => sum + 2 * elementCount(shape) * places(evaluated, name), 0);
}

/** How often a kernel is applied: at each pixel of its output, or of its input where that is the smaller one. */
function places({ backbone, head }: Config['model'], name: string): number {
  const grid = gridSide(backbone.imageSizePx, backbone.patchSizePx);
  if (head.type === 'linear') return grid ** 2;
  const sides = levelSides({ backbone });
  const [, part, index] = /^decode_head\.(\w+?)(?:\.(\d))?\./.exec(name) ?? [];
  if (part === undefined) return (name.startsWith('backbone.up1.3') ? 2 * grid : grid) ** 2;
  if (part === 'psp_modules') return head.poolScales[Number(index)]! ** 2;
  if (part === 'bottleneck') return sides[3]! ** 2;
  return sides[Number(index ?? 0)]! ** 2;
}
