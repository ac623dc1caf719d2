import type { Config } from '../../config/config.ts';
import type { DType } from '../../config/manifests.ts';
import type { VitModel } from '../../config/model-kinds.ts';
import type { TrainConfig } from '../../config/train.ts';
import { isTrained, lowestTrained } from '../../train/trainable.ts';
import { backboneSpecs, blockOf, gridSide, layerOf, tokensPerImage } from '../backbone.ts';
import { headSpecs } from '../head.ts';
import type { TensorSpec } from '../tensor-spec.ts';
import { ROPE_PERIODS } from '../vit-tensors.ts';
import { blockSpecs } from './backbone-stages.ts';

/** The part of a config that a chain depends on. */
export interface ChainConfig {
  model: VitModel;
  train: TrainConfig;
  run: Pick<Config['run'], 'device' | 'batch' | 'precision'> & Partial<Pick<Config['run'], 'state'>>;
}

/** A stage of the trained stretch below the head. */
export interface PlannedStage {
  kind: 'embedding' | 'block';
  /** Number of the block; −1 for the embedding. */
  block: number;
  /** Its tensors by their names in the model, in the order of its kind's specs. */
  names: string[];
  /** Those of `names` that train. */
  trained: boolean[];
  /** Whether something below it trains, so that the gradient of its input is needed. */
  wantsInput: boolean;
}

/** A model as a chain of stages: the frozen stretch, and above it what is computed forward and backward. */
export interface ChainPlan {
  /** Trained stretch of the backbone, from below; none where the head alone trains. */
  stages: PlannedStage[];
  /** Tensors of a kind of stage; a block's by the names of block 0. */
  specs: Record<PlannedStage['kind'], TensorSpec[]>;
  /** Tensors of the last norm, which the head stage reads where the backbone trains. */
  normSpecs: TensorSpec[];
  /** What the frozen stretch gives, in order, for one crop. */
  inputs: StretchInput[];
  /** Crops of a group, and groups of a step. */
  group: number;
  groups: number;
  /** Type of the tokens, and of the products. */
  dtype: DType;
}

/** An output of the frozen stretch: crops as they are, a tap's feature, or the tokens behind a block (−1: the embedding). */
export type StretchInput = (
  | { kind: 'images' }
  | { kind: 'feature'; tap: number }
  | { kind: 'tokens'; block: number }
) & {
  /** Of one crop. */
  shape: number[];
};

/** Lays out a model's chain by what of it trains. */
export function planChain(config: ChainConfig): ChainPlan {
  const { model, train, run } = config;
  const { backbone } = model;
  const specs = backboneSpecs(model).filter(({ name }) => name !== ROPE_PERIODS);
  const normSpecs = specs.filter(({ name }) => name.startsWith(LAST_NORM));
  const lowest = lowestTrained(config);
  const stages: PlannedStage[] = [];
  const last = Math.max(...backbone.taps);
  const first = lowest === 'head' ? last + 1 : lowest === 'embedding' ? EMBEDDING : lowest;
  for (let block = first; block <= last; block++) {
    const own = specs.filter(({ name }) => stageOf(name) === block);
    stages.push({
      kind: block === EMBEDDING ? 'embedding' : 'block',
      block,
      names: own.map(({ name }) => name),
      trained: own.map(({ name }) => isTrained(config, name)),
      wantsInput: block > first,
    });
  }
  const trainsNorm = normSpecs.some(({ name }) => isTrained(config, name));
  const group = groupSize(train.batch, run.batch);
  return {
    stages,
    specs: {
      embedding: specs.filter(({ name }) => stageOf(name) === EMBEDDING),
      block: blockSpecs(backbone),
    },
    normSpecs: stages.length > 0 || trainsNorm ? normSpecs : [],
    inputs: stages.length > 0 || trainsNorm ? trainedInputs(config, first) : features(config),
    group,
    groups: train.batch / group,
    dtype: run.precision,
  };
}

/** Tensors that a chain reads: the trained stretch's and the heads'. What lies below is not among them. */
export function chainSpecs(config: ChainConfig, plan = planChain(config)): TensorSpec[] {
  const names = new Set([
    ...plan.stages.flatMap((stage) => stage.names),
    ...plan.normSpecs.map(({ name }) => name),
  ]);
  return [...backboneSpecs(config.model).filter(({ name }) => names.has(name)), ...headSpecs(config.model)];
}

/** Type in which the graphs read a tensor: what the blocks compute in, or float32 in the heads. */
export function dtypeOf({ model }: ChainConfig, { dtype }: ChainPlan): (name: string) => DType {
  const heads = new Set(headSpecs(model).map(({ name }) => name));
  return (name) => (heads.has(name) ? 'float32' : dtype);
}

/** The largest number of crops up to `most` with which all groups of a step are equal. */
export function groupSize(batch: number, most: number): number {
  for (let size = Math.min(batch, most); size > 1; size--) if (batch % size === 0) return size;
  return 1;
}

const EMBEDDING = -1;
const LAST_NORM = 'backbone.norm.';

/** Number of the block that reads a tensor, or that of the embedding. */
function stageOf(name: string): number | undefined {
  return layerOf(name) === 0 ? EMBEDDING : blockOf(name);
}

function features({ model: { backbone } }: ChainConfig): StretchInput[] {
  const grid = gridSide(backbone);
  return backbone.taps.map((_, tap) => ({
    kind: 'feature',
    tap,
    shape: [backbone.embedDim, grid, grid],
  }));
}

/** Input of the lowest trained stage, and the taps below it. */
function trainedInputs({ model: { backbone } }: ChainConfig, first: number): StretchInput[] {
  const { imageSizePx: size, embedDim, taps } = backbone;
  if (first === EMBEDDING) return [{ kind: 'images', shape: [size, size, 3] }];
  const below = taps.filter((tap) => tap < first - 1);
  const shape = [tokensPerImage(backbone), embedDim];
  return [first - 1, ...below].map((block) => ({ kind: 'tokens', block, shape }));
}
