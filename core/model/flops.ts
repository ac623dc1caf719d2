import { elementCount } from '../checkpoint/dtypes.ts';
import type { VitModel } from '../config/model-kinds.ts';
import { backboneFlops, gridSide } from './backbone.ts';
import { evaluatedModel, headSpecs, headType } from './head.ts';

/** Floating-point operations for one crop. */
export function modelFlops(model: VitModel): number {
  return backboneFlops(model) + headFlops(model);
}

/**
 * Floating-point operations for one crop of all that follows the backbone, UperNet's feature pyramid among it: its
 * convolutions. A multiplication and an addition count as two.
 */
export function headFlops(model: VitModel): number {
  const evaluated = evaluatedModel(model);
  const kernels = headSpecs(evaluated).filter(({ shape }) => shape.length === 4);
  return kernels.reduce(
    (sum, { name, shape }) => sum + 2 * elementCount(shape) * applications(evaluated, name),
    0,
  );
}

function applications({ backbone, head }: VitModel, name: string): number {
  const grid = gridSide(backbone);
  const { neck, applications } = headType(head);
  return name.startsWith('backbone.') ? neck!.applications(name, grid) : applications(head, name, grid);
}
