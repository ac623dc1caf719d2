import type { Precision } from '../config/config.ts';
import { differentiate } from '../onnx/differentiate.ts';
import { GraphBuilder, type Value } from '../onnx/graph.ts';
import { removeUnused } from '../onnx/unused.ts';
import { blockOf } from './backbone.ts';
import type { TensorSpec } from './tensor-spec.ts';
import { gradientOutput } from './training-graph.ts';
import type { Vit } from './vit.ts';
import { transformerBlock } from './vit-graph.ts';
import { ROPE_PERIODS, tokensOf, vitTensors } from './vit-tensors.ts';
import { weightLoader } from './weights.ts';

/** Names of a block's inputs and outputs that are not parameters. */
export const BLOCK_INPUT = 'x';
export const BLOCK_OUTPUT = 'y';
export const OUTPUT_GRADIENT = 'dy';
export const INPUT_GRADIENT = 'dx';
export const DROP_PATH = { attention: 'drop_path_attention', mlp: 'drop_path_mlp' } as const;

export interface BlockTraining {
  vit: Vit;
  /** 0-based. */
  block: number;
  /** Images of a batch. */
  batch: number;
  /** Type of tokens and parameters. Gradients of parameters are float32. */
  precision: Precision;
  /** Whether the branches are multiplied by an image's factors, which are inputs. */
  isDropPath: boolean;
  /** Of a rotary embedding, where the checkpoint holds them. */
  rotaryPeriods?: Float32Array;
}

/** The parameters of a block, in the order of use. */
export function blockParameters({ vit, block }: Pick<BlockTraining, 'vit' | 'block'>): TensorSpec[] {
  return vitTensors(vit).filter(({ name }) => blockOf(name) === block);
}

/**
 * The forward pass of a block: `x` `[B * N, C]`, the multipliers of drop path `[B]` float32, and each parameter by its name,
 * to `y` `[B * N, C]`.
 *
 * @returns the ONNX model's bytes, without weights
 */
export function blockForward(training: BlockTraining): Uint8Array {
  const { graph, y, shape } = forward(training);
  give(graph, y, BLOCK_OUTPUT, training.precision, shape);
  return graph.toBytes();
}

/**
 * The backward pass of a block, which computes its inside again: the inputs of the forward pass and `dy` `[B * N, C]`, to
 * `dx` `[B * N, C]` and the gradient of each parameter, float32.
 */
export function blockBackward(training: BlockTraining): Uint8Array {
  const { precision } = training;
  const { graph, x, y, shape, parameters } = forward(training);
  const dy = graph.input(OUTPUT_GRADIENT, precision, shape);
  const [dx, ...gradients] = differentiate(graph, [[y, dy]], [x, ...parameters.values()]);
  give(graph, dx!, INPUT_GRADIENT, precision, shape);
  for (const [i, { name, shape }] of blockParameters(training).entries())
    give(graph, gradients[i]!, gradientOutput(name), 'float32', shape);
  removeUnused(graph.proto);
  return graph.toBytes();
}

/** Makes a value an output of this name and type. Identity is removed by ONNX Runtime, where Cast would copy. */
function give(graph: GraphBuilder, value: Value, name: string, type: Precision, shape: number[]): void {
  const isOfType = graph.typeOf(value) === type;
  graph.output(
    isOfType ? graph.node('Identity', [value], {}, name) : graph.cast(value, type, name),
    type,
    shape,
  );
}

function forward(training: BlockTraining) {
  const { vit, block, batch, precision, isDropPath, rotaryPeriods } = training;
  const graph = new GraphBuilder(`block ${block}`);
  const shape = [batch * tokensOf(vit), vit.embedDim];
  const x = graph.input(BLOCK_INPUT, precision, shape);
  const parameters = new Map<string, Value>();
  for (const { name, shape } of blockParameters(training))
    parameters.set(name, graph.input(name, precision, shape));
  const weights = weightLoader((_, name) => parameters.get(name)!, {
    has: (name) => parameters.has(name) || (name === ROPE_PERIODS && rotaryPeriods !== undefined),
    floats: () => rotaryPeriods!,
  });
  const multiplier = (branch: keyof typeof DROP_PATH) => graph.input(DROP_PATH[branch], 'float32', [batch]);
  const dropPath = isDropPath ? { attention: multiplier('attention'), mlp: multiplier('mlp') } : undefined;
  const context = { graph, weights, vit, batch, dtype: precision };
  const y = transformerBlock(dropPath ? Object.assign(context, { dropPath }) : context, x, block);
  return { graph, x, y, shape, parameters };
}
