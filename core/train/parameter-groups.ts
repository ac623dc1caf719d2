import type { TrainConfig } from '../config/train.ts';
import { layerOf } from '../model/backbone.ts';
import { isParameter } from '../model/head.ts';
import type { TensorSpec } from '../model/tensor-spec.ts';
import { type AdamWFactors, adamwFactors } from '../onnx/adamw.ts';

/** Optimizer settings of one parameter. */
export interface ParameterGroup {
  /** The original's name, such as `layer_49_no_decay`. */
  name: string;
  /** Factor of the learning rate. */
  lrScale: number;
  weightDecay: number;
}

/**
 * The group of each parameter. Vectors and biases have no weight decay; each block's learning rate is a fraction of that
 * of the block above it. Running statistics are in no group.
 *
 * The position embedding and the class token have weight decay, as in the original: its exception compares names
 * without `backbone.`, and matches none.
 *
 * @param depth blocks of the backbone
 * @param specs names as in a whole segmentor's checkpoint, and shapes
 * @see InternVL `mmcv_custom/layer_decay_optimizer_constructor.py`
 */
export function parameterGroups(
  { weightDecay, layerDecayRate }: Pick<TrainConfig['optimizer'], 'weightDecay' | 'layerDecayRate'>,
  depth: number,
  specs: TensorSpec[],
): Map<string, ParameterGroup> {
  // Embeddings are layer 0, block i is i + 1, and heads and feature pyramid are above the last block.
  const top = depth + 1;
  return new Map(
    specs.filter(isParameter).map((spec) => {
      const layer = layerOf(spec.name) ?? top;
      const decays = spec.shape.length > 1 && !spec.name.endsWith('.bias');
      const group = {
        name: `layer_${layer}_${decays ? 'decay' : 'no_decay'}`,
        lrScale: layerDecayRate ** (top - layer),
        weightDecay: decays ? weightDecay : 0,
      };
      return [spec.name, group];
    }),
  );
}

/**
 * AdamW's factors of each parameter.
 *
 * @param step number of the step, from 0
 * @param learningRate of a group, by its scale
 */
export function stepFactors(
  { optimizer }: Pick<TrainConfig, 'optimizer'>,
  groups: Map<string, ParameterGroup>,
  step: number,
  learningRate: (lrScale: number) => number,
): Record<string, AdamWFactors> {
  return Object.fromEntries(
    [...groups].map(([name, { lrScale, weightDecay }]) => [
      name,
      adamwFactors(optimizer, step + 1, learningRate(lrScale), weightDecay),
    ]),
  );
}
