import type { Config } from '../config/config.ts';
import type { VitModel } from '../config/model-kinds.ts';
import type { TrainConfig } from '../config/train.ts';
import { differentiate } from '../onnx/differentiate.ts';
import { GraphBuilder, type Value } from '../onnx/graph.ts';
import { inferShapes } from '../onnx/shapes.ts';
import { gridSide } from './backbone.ts';
import { buildHead, headSpecs, levelSides, logitsSide, parameterSpecs, runningSpecs } from './head.ts';
import { lossTargets, segmentationLoss } from './segmentation-loss.ts';

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

/** Names of the training graph's inputs and outputs that are not tensors of the model. */
export const LABELS = 'labels';
export const tapInput = (tap: number) => `tap_${tap}`;
export const dropoutMaskInput = ({ name }: TrainedHead) => `${name}_dropout_mask`;
export const lossOutput = ({ name }: TrainedHead) => `${name}_loss`;
export const correctOutput = ({ name }: TrainedHead) => `${name}_correct`;
export const gradientOutput = (parameter: string) => `gradient of ${parameter}`;
export const runningOutput = (statistic: string) => `next ${statistic}`;

type Model = VitModel;

export function trainedHeads(model: Model, train: TrainConfig): TrainedHead[] {
  const { head, auxiliaryHead: auxiliary } = model;
  const decode = { key: 'decode_head', name: 'decode', lossWeight: 1, channels: head.channels };
  if (!auxiliary) return [decode];
  const lossWeight = train.auxiliaryLossWeight;
  return [decode, { key: 'auxiliary_head', name: 'aux', lossWeight, channels: auxiliary.channels }];
}

/**
 * The training step without the optimizer: computes losses and gradients from features and labels.
 *
 * Inputs: `tap_i` `[B, C, g, g]` float32; `labels` `[B, S, S]` uint8; with dropout, each head's dropout mask
 * `[B, channels, 1, 1]` float32 (0, or 1 / (1 − p)); every tensor of `headSpecs` by its name.
 * Outputs: for each head, loss and correct pixels by image and tile (segmentation-loss.ts); the gradient of each
 * parameter; each running statistic after the step.
 *
 * @param stages intermediate values that become outputs, by their golden names: `feat0` …
 * @returns the ONNX model's bytes: a few hundred kilobytes, because parameters are inputs
 * @see mmseg 0.30 `EncoderDecoder.forward_train`
 */
export function trainingGraph(
  { model, train, run }: { model: Model; train: TrainConfig; run: Pick<Config['run'], 'device'> },
  stages: string[] = [],
): Uint8Array {
  const { backbone, head, auxiliaryHead } = model;
  const { batch } = train;
  const graph = new GraphBuilder('training');
  const grid = gridSide(backbone);
  const taps = backbone.taps.map((_, i) =>
    graph.input(tapInput(i), 'float32', [batch, backbone.embedDim, grid, grid]),
  );
  const size = backbone.imageSizePx;
  const targets = lossTargets(graph, graph.input(LABELS, 'uint8', [batch, size, size]));
  const heads = trainedHeads(model, train);
  const dropoutMasks = new Map<string, Value>();
  if (train.dropout > 0)
    for (const head of heads)
      dropoutMasks.set(
        head.key,
        graph.input(dropoutMaskInput(head), 'float32', [batch, head.channels, 1, 1]),
      );
  const tensors = new Map<string, Value>();
  for (const { name, shape } of headSpecs(model)) tensors.set(name, graph.input(name, 'float32', shape));

  const running = new Map<string, Value>();
  const training = { running, dropoutMasks };
  const weights = (_: GraphBuilder, name: string) => tensors.get(name)!;
  const { logits, auxiliary } = buildHead(graph, weights, model, batch, taps, training);

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

  const parameters = parameterSpecs(model);
  const gradients = differentiate(
    graph,
    seeds,
    parameters.map(({ name }) => tensors.get(name)!),
  );
  const give = (value: Value, name: string, shape: number[]) =>
    graph.output(graph.node('Identity', [value], {}, name), 'float32', shape);
  for (const [i, { name, shape }] of parameters.entries()) give(gradients[i]!, gradientOutput(name), shape);
  for (const { name, shape } of runningSpecs(model)) give(running.get(name)!, runningOutput(name), shape);
  for (const stage of stages) graph.output(stage as Value, 'float32', inferShapes(graph)(stage as Value));
  return graph.toBytes();
}
