import { elementCount } from '../checkpoint/dtypes.ts';
import type { TrainableConfig } from '../config/train-run.ts';
import { backboneSpecs, blockOf, layerOf } from '../model/backbone.ts';
import { headSpecs, headType, isParameter, tapShape } from '../model/head.ts';
import { modelSpecs } from '../model/model-specs.ts';
import type { TensorSpec } from '../model/tensor-spec.ts';
import { ROPE_PERIODS } from '../model/vit-tensors.ts';

/* What a training changes of its model: `train.trainable` applied to the tensors' names. */

type Training = Pick<TrainableConfig, 'model'> & { train: Pick<TrainableConfig['train'], 'trainable'> };

/** The lowest stage that has a parameter to train. Every stage from there on passes gradients down. */
export type LowestTrained = 'embedding' | number | 'head';

/**
 * Every tensor of a training's state, by its name in a checkpoint and in the order of use: the parameters that train,
 * and BatchNorm's running statistics. A learned position embedding has the shape of the crop's grid.
 */
export function trainedSpecs(config: Training): TensorSpec[] {
  const isTraining = trainedTest(config);
  return modelSpecs(config.model).filter((spec) => isTraining(spec.name) || !isParameter(spec));
}

/** Whether an optimizer changes a tensor of the model; not so for running statistics, which change by themselves. */
export function isTrained(config: Training, name: string): boolean {
  return trainedTest(config)(name);
}

/**
 * Where the backward pass of a training ends: at the embedding, at a block (0-based), or at the head, to which the norm
 * behind the last block counts.
 */
export function lowestTrained(config: Training): LowestTrained {
  const trained = backboneParameters(config.model).filter(trainedTest(config));
  if (trained.some((name) => layerOf(name) === 0)) return 'embedding';
  const blocks = trained.map(blockOf).filter((block) => block !== undefined);
  return blocks.length > 0 ? Math.min(...blocks) : 'head';
}

/** Whether anything of the backbone trains: a checkpoint then holds the whole model. */
export function trainsBackbone(config: Training): boolean {
  return backboneParameters(config.model).some(trainedTest(config));
}

/** What trains, for people: `head: 0.5 M parameters`, `all: 5,905 M parameters`. */
export function trainedText(config: Training): string {
  const { trainable } = config.train;
  const what = typeof trainable === 'string' ? trainable : ['head', ...trainable].join(', ');
  const millions = trainedParameters(config) / 1e6;
  const digits = millions < 10 ? 1 : 0;
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${what}: ${millions.toLocaleString('en-US', format)} M parameters`;
}

/** How many numbers an optimizer changes. */
export function trainedParameters(config: Training): number {
  return trainedSpecs(config)
    .filter(isParameter)
    .reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** Names that a pattern of `train.trainable` may match: the backbone's parameters up to the last tap, and the heads'. */
export function trainableNames(model: Training['model']): string[] {
  return [
    ...backboneParameters(model),
    ...headSpecs(model)
      .filter(isParameter)
      .map(({ name }) => name),
  ];
}

/** Whether a pattern matches a whole name: `*` stands for any characters, none included, and `?` for one. */
export function matchesPattern(pattern: string, name: string): boolean {
  const literal = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${literal.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name);
}

function backboneParameters(model: Training['model']): string[] {
  // The periods of a rotary embedding are a constant, whatever checkpoint holds them.
  return backboneSpecs(model).flatMap(({ name }) => (name === ROPE_PERIODS ? [] : [name]));
}

/** A run that an earlier version planned says nothing: it trains its head. */
function trainedTest({ model, train: { trainable = 'head' } }: Training): (name: string) => boolean {
  const neck = new Set(
    headType(model.head)
      .neck?.specs(tapShape(model))
      .map(({ name }) => name),
  );
  return (name) => {
    if (name === ROPE_PERIODS || !isParameter({ name })) return false;
    if (!name.startsWith('backbone.') || neck.has(name)) return true;
    if (typeof trainable === 'string') return trainable === 'all';
    return trainable.some((pattern) => matchesPattern(pattern, name));
  };
}
