import { elementCount } from '../checkpoint/dtypes.ts';
import type { Config } from '../config/config.ts';
import { gridSide } from './backbone.ts';
import { evaluatedModel, headSpecs, levelSides } from './head.ts';

/**
 * Floating-point operations for one crop of all that follows the backbone, UperNet's feature pyramid among it: its
 * convolutions. A multiplication and an addition count as two.
 */
export function headFlops(model: Config['model']): number {
  const evaluated = evaluatedModel(model);
  const kernels = headSpecs(evaluated).filter(({ shape }) => shape.length === 4);
  return kernels.reduce((sum, { name, shape }) => sum + 2 * elementCount(shape) * places(evaluated, name), 0);
}

/** How often a kernel is applied: at each pixel of its output, or of its input where that is the smaller one. */
function places({ backbone, head }: Config['model'], name: string): number {
  const grid = gridSide(backbone);
  if (head.type === 'linear') return grid ** 2;
  const sides = levelSides({ backbone });
  const [, part, index] = /^decode_head\.(\w+?)(?:\.(\d))?\./.exec(name) ?? [];
  if (part === undefined) return (name.startsWith('backbone.up1.3') ? 2 * grid : grid) ** 2;
  if (part === 'psp_modules') return head.poolScales[Number(index)]! ** 2;
  if (part === 'bottleneck') return sides[3]! ** 2;
  return sides[Number(index ?? 0)]! ** 2;
}
