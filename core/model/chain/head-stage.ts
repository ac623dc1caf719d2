import type { Config } from '../../config/config.ts';
import type { DType } from '../../config/manifests.ts';
import type { VitModel } from '../../config/model-kinds.ts';
import type { TrainConfig } from '../../config/train.ts';
import { differentiate } from '../../onnx/differentiate.ts';
import { GraphBuilder, type Value } from '../../onnx/graph.ts';
import { inferShapes } from '../../onnx/shapes.ts';
import { isTrained } from '../../train/trainable.ts';
import { gridSide, tokensPerImage, vitOf } from '../backbone.ts';
import {
  buildHead,
  headLogits,
  headSpecs,
  type Logits,
  levelSides,
  logitsSide,
  runningSpecs,
} from '../head.ts';
import type { TrainingPart } from '../layers.ts';
import { lossTargets, segmentationLoss } from '../segmentation-loss.ts';
import type { TensorSpec } from '../tensor-spec.ts';
import { tapFeature } from '../vit-graph.ts';
import type { TensorLoader } from '../weights.ts';
import { gradientOutput } from './backbone-stages.ts';
import { type ChainConfig, planChain } from './chain-plan.ts';
import { inputWeights, outputGradients } from './input-weights.ts';

/** A head in training. */
export interface TrainedHead {
  /** Its name in a checkpoint: `decode_head`, `auxiliary_head`. */
  key: string;
  /** Its name in a log: `decode`, `aux`. */
  name: string;
  lossWeight: number;
  /** Channels that dropout applies to. */
  channels: number;
}

/** Names of the stage's inputs and outputs that are not tensors of the model. */
export const LABELS = 'labels';
export const tapInput = (tap: number) => `tap_${tap}`;
export const tapGradient = (tap: number) => `gradient of tap_${tap}`;
export const dropoutMaskInput = ({ name }: TrainedHead) => `${name}_dropout_mask`;
export const lossOutput = ({ name }: TrainedHead) => `${name}_loss`;
export const correctOutput = ({ name }: TrainedHead) => `${name}_correct`;
export const levelOf = (level: number) => `level_${level}`;
export const levelGradient = (level: number) => `gradient of level_${level}`;
export const runningOutput = (statistic: string) => `next ${statistic}`;

type Model = VitModel;

export function trainedHeads(model: Model, train: TrainConfig): TrainedHead[] {
  const { head, auxiliaryHead: auxiliary } = model;
  const decode = { key: 'decode_head', name: 'decode', lossWeight: 1, channels: head.channels };
  if (!auxiliary) return [decode];
  const lossWeight = train.auxiliaryLossWeight;
  return [decode, { key: 'auxiliary_head', name: 'aux', lossWeight, channels: auxiliary.channels }];
}

/** What the head stage gets of the backbone. */
export interface TapsOfStage {
  /** `features`: a frozen backbone's maps `[B, C, g, g]` float32. `tokens`: outputs of blocks `[B · N, C]`. */
  kind: 'features' | 'tokens';
  /** Type of the tokens. */
  dtype: DType;
  /** Tensors of the last norm, between tokens and feature: read in `dtype`, trained as any other. */
  specs: TensorSpec[];
  /** Taps whose gradients are asked for: those below which something trains. */
  gradients: number[];
}

export interface HeadStageOptions {
  model: Model;
  train: TrainConfig;
  run: Pick<Config['run'], 'device'>;
  taps: TapsOfStage;
  /** Parameters whose gradients are given out. */
  trained: TensorSpec[];
  /** Intermediate values that become outputs, by their golden names, `feat0` …, and so do their gradients. */
  stages?: string[];
}

/** A value that the losses' gradients are given out for, besides the parameters. */
interface WantedGradient {
  value: Value;
  name: string;
  dtype: DType;
  shape: number[];
}

/**
 * The last stage, on the whole step, since BatchNorm sees all crops: losses and gradients, forward and backward at once.
 *
 * Inputs: `tap_i`, as `TapsOfStage` says; `labels` `[B, S, S]` uint8; with dropout, each head's dropout mask
 * `[B, channels, 1, 1]` float32 (0, or 1 / (1 − p)); every tensor of `headSpecs` by its name.
 * Outputs: for each head, loss and correct pixels by image and tile (segmentation-loss.ts); the gradient of each
 * trained parameter and of each tap that is asked for; each running statistic after the step.
 *
 * @returns the ONNX model's bytes: a few hundred kilobytes, because parameters are inputs
 * @see mmseg 0.30 `EncoderDecoder.forward_train`
 */
export function headStageGraph(options: HeadStageOptions): Uint8Array {
  const { model, train, taps } = options;
  const graph = new GraphBuilder('head');
  const { inputs, features } = tapInputs(graph, options);
  const wanted = taps.gradients.map((tap) => ({
    value: inputs[tap]!,
    name: tapGradient(tap),
    dtype: taps.dtype,
    shape: tapShape(options),
  }));
  return lossGraph(graph, options, wanted, (weights, training) =>
    buildHead(graph, weights, model, train.batch, features, training),
  );
}

/**
 * The same from the levels on (head-levels.ts): inputs are `level_i` in place of the taps, and tensors that are read here;
 * outputs `gradient of level_i` in place of the taps'.
 *
 * @param shapes of the levels
 */
export function headTopGraph(options: HeadStageOptions, shapes: number[][]): Uint8Array {
  const { model, train } = options;
  const graph = new GraphBuilder('head');
  const levels = shapes.map((shape, i) => graph.input(levelOf(i), 'float32', shape));
  const wanted = levels.map((value, i) => ({
    value,
    name: levelGradient(i),
    dtype: 'float32' as const,
    shape: shapes[i]!,
  }));
  return lossGraph(graph, options, wanted, (weights, training) =>
    headLogits(graph, weights, model, train.batch, levels, training),
  );
}

function lossGraph(
  graph: GraphBuilder,
  options: HeadStageOptions,
  wanted: WantedGradient[],
  build: (weights: TensorLoader, training: TrainingPart) => Logits,
): Uint8Array {
  const { model, train, run, stages = [] } = options;
  const { head, auxiliaryHead } = model;
  const { batch } = train;
  const size = model.backbone.imageSizePx;
  const targets = lossTargets(graph, graph.input(LABELS, 'uint8', [batch, size, size]));
  const heads = trainedHeads(model, train);
  const dropoutMasks = new Map<string, Value>();
  if (train.dropout > 0)
    for (const head of heads)
      dropoutMasks.set(
        head.key,
        graph.input(dropoutMaskInput(head), 'float32', [batch, head.channels, 1, 1]),
      );
  const running = new Map<string, Value>();
  const { logits, auxiliary } = build(inputWeights(headSpecs(model), 'float32'), { running, dropoutMasks });

  const seeds: [Value, Value][] = [];
  for (const trained of heads) {
    const isAuxiliary = trained.name === 'aux';
    const side = isAuxiliary ? levelSides(model)[auxiliaryHead!.level]! : logitsSide(model);
    const shape = { batch, classes: head.classes, side, size, device: run.device };
    const value = isAuxiliary ? auxiliary! : logits;
    const loss = segmentationLoss(graph, trained.name, value, targets, shape, trained.lossWeight);
    graph.output(loss.loss, 'float32', [batch, loss.tiles]);
    graph.output(loss.correct, 'float32', [batch, loss.tiles]);
    seeds.push([value, loss.gradient]);
  }

  const trained = trainedHere(graph, options);
  const gradients = differentiate(graph, seeds, [
    ...trained.map(({ name }) => name as Value),
    ...wanted.map(({ value }) => value),
    ...(stages as Value[]),
  ]);
  outputAllGradients(graph, trained, wanted, gradients);
  outputRunning(graph, options, running);
  const shapeOf = inferShapes(graph);
  for (const [i, stage] of stages.entries()) {
    const shape = shapeOf(stage as Value);
    graph.output(stage as Value, 'float32', shape);
    const gradient = gradients[trained.length + wanted.length + i]!;
    graph.output(graph.node('Identity', [gradient], {}, gradientOutput(stage)), 'float32', shape);
  }
  return graph.toBytes();
}

/** The trained parameters that a graph under construction reads. */
export function trainedHere(graph: GraphBuilder, { trained }: HeadStageOptions): TensorSpec[] {
  return trained.filter(({ name }) => graph.shapes.has(name as Value));
}

/** Adds gradients as outputs: those of parameters, then those of other values. */
export function outputAllGradients(
  graph: GraphBuilder,
  trained: TensorSpec[],
  wanted: WantedGradient[],
  gradients: Value[],
): void {
  outputGradients(graph, trained, gradients, gradientOutput);
  for (const [i, { name, dtype, shape }] of wanted.entries())
    graph.output(graph.node('Identity', [gradients[trained.length + i]!], {}, name), dtype, shape);
}

/** Adds the running statistics of a graph's BatchNorms as outputs. */
export function outputRunning(
  graph: GraphBuilder,
  { model }: Pick<HeadStageOptions, 'model'>,
  running: Map<string, Value>,
): void {
  for (const { name, shape } of runningSpecs(model)) {
    const value = running.get(name);
    if (value) graph.output(graph.node('Identity', [value], {}, runningOutput(name)), 'float32', shape);
  }
}

/** The head stage of a config's chain. */
export function headStageOf(config: ChainConfig, plan = planChain(config)): HeadStageOptions {
  const { model, train, run } = config;
  const { stages, inputs, normSpecs, dtype } = plan;
  const kind = inputs[0]!.kind === 'feature' ? 'features' : 'tokens';
  const gradients = [...model.backbone.taps.entries()].flatMap(([tap, block]) =>
    stages.some((stage) => stage.block === block) ? [tap] : [],
  );
  const trained = [...normSpecs, ...headSpecs(model)].filter(({ name }) => isTrained(config, name));
  return { model, train, run, taps: { kind, dtype, specs: normSpecs, gradients }, trained };
}

/** Shape of a `tap_i`. */
export function tapShape({
  model,
  train,
  taps,
}: Pick<HeadStageOptions, 'model' | 'train' | 'taps'>): number[] {
  const { backbone } = model;
  const grid = gridSide(backbone);
  if (taps.kind === 'features') return [train.batch, backbone.embedDim, grid, grid];
  return [train.batch * tokensPerImage(backbone), backbone.embedDim];
}

/** The taps as inputs, and the features `[B, C, g, g]` float32 that heads see. */
export function tapInputs(
  graph: GraphBuilder,
  options: HeadStageOptions,
): { inputs: Value[]; features: Value[] } {
  const { model, train, taps } = options;
  const { kind, dtype, specs } = taps;
  const type = kind === 'features' ? 'float32' : dtype;
  const inputs = model.backbone.taps.map((_, tap) => graph.input(tapInput(tap), type, tapShape(options)));
  if (kind === 'features') return { inputs, features: inputs };
  const weights = inputWeights(specs, dtype);
  const ctx = { graph, weights, vit: vitOf(model.backbone), batch: train.batch, dtype };
  return { inputs, features: inputs.map((input, tap) => tapFeature(ctx, input, tap)) };
}
