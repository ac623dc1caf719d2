import type { VitModel } from '../config/model-kinds.ts';
import { backboneSpecs } from './backbone.ts';
import { headSpecs } from './head.ts';
import type { TensorSpec } from './tensor-spec.ts';

/** Everything that a model reads from its checkpoints, in the order of use. */
export function modelSpecs(model: VitModel): TensorSpec[] {
  return [...backboneSpecs(model), ...headSpecs(model)];
}
