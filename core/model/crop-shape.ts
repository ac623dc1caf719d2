import type { Config } from '../config/config.ts';
import { logitsSide } from './head.ts';

/** What a model is to those who cut images into crops and make label maps of their logits, whatever is within it. */
export interface CropShape {
  /** Side of the square crops that it sees. */
  sizePx: number;
  classes: number;
  /** Side of a crop's logits. */
  logitsSide: number;
  test: Config['model']['test'];
}

export function cropShape(model: Config['model']): CropShape {
  return {
    sizePx: model.backbone.imageSizePx,
    classes: model.head.classes,
    logitsSide: logitsSide(model),
    test: model.test,
  };
}
