import type { Config } from '../config/config.ts';
import { classesOf, cropPxOf } from '../config/model-kinds.ts';
import { logitsSide } from './head.ts';
import type { OwnModelPlan } from './own-onnx.ts';

/** What a model is to those who cut images into crops and make label maps of their logits, whatever is within it. */
export interface CropShape {
  /** Side of the square crops that it sees. */
  sizePx: number;
  classes: number;
  /** Side of a crop's logits. */
  logitsSide: number;
  test: Config['model']['test'];
}

/** @param plan of an ONNX model: it knows how large the logits are */
export function cropShape(model: Config['model'], plan: OwnModelPlan | null = null): CropShape {
  const { test } = model;
  if (model.type !== 'onnx')
    return { sizePx: cropPxOf(model), classes: classesOf(model), logitsSide: logitsSide(model), test };
  if (!plan) throw new Error('an ONNX model is run by its plan');
  return { sizePx: plan.input.sizePx, classes: plan.classes, logitsSide: plan.output.sidePx, test };
}
