import type { Config } from './config.ts';
import { BadInput } from './failures.ts';

/** A backbone and a head of ours. */
export type VitModel = Exclude<Config['model'], { type: 'onnx' }>;
/** A config of such a model. */
export interface VitConfig extends Config {
  model: VitModel;
}
/** A config whose model is an ONNX file. */
export interface OnnxConfig extends Config {
  model: Extract<Config['model'], { type: 'onnx' }>;
}

/** Whether a config's model is a backbone and a head of ours, and no ONNX file. */
export function isVit<T extends Pick<Config, 'model'>>(config: T): config is T & { model: VitModel } {
  return config.model.type !== 'onnx';
}

/** Whether it is an ONNX file. */
export function isOnnx(config: Config): config is OnnxConfig {
  return config.model.type === 'onnx';
}

/** Classes of a model's logits. */
export function classesOf(model: Config['model']): number {
  return model.type === 'onnx' ? model.classes : model.head.classes;
}

/** Which field of a config says how many: for messages. */
export function classesKey(model: Config['model']): string {
  return model.type === 'onnx' ? 'model.classes' : 'model.head.classes';
}

/** Side of the square crops that a model sees. */
export function cropPxOf(model: Config['model']): number {
  return model.type === 'onnx' ? model.input.sizePx : model.backbone.imageSizePx;
}

/** A config whose model must be of ours. @throws BadInput naming the config, if it is an ONNX file */
export function vitConfig<T extends Pick<Config, 'model' | 'name'>>(config: T): T & { model: VitModel } {
  if (isVit(config)) return config;
  throw new BadInput(
    `${config.name}: model.type is onnx, which is only evaluated; expected a backbone and a head of Tessera's`,
  );
}
