import { differentiate } from '../../onnx/differentiate.ts';
import { GraphBuilder, type Value } from '../../onnx/graph.ts';
import { inferShapes } from '../../onnx/shapes.ts';
import { removeUnused } from '../../onnx/unused.ts';
import { headLevels, headSpecs, headType } from '../head.ts';
import {
  type HeadStageOptions,
  headStageGraph,
  headTopGraph,
  levelGradient,
  levelOf,
  outputAllGradients,
  outputRunning,
  tapGradient,
  tapInputs,
  tapShape,
  trainedHere,
} from './head-stage.ts';
import { inputWeights } from './input-weights.ts';

/*
 * The levels of a head as a stage of their own, on the whole step: forward, then the rest of the head, then backward, which
 * computes the inside again from the taps. UperNet's values below its levels and those above are not there at the same time.
 */

/** Graphs of the heads: one, or those of its levels and of what is above them. */
export interface HeadGraphs {
  levels: LevelGraphs | null;
  top: Uint8Array;
}

/** Graphs of the levels: ONNX models' bytes, and the shapes `[B, C, h, w]` of what passes between the stages. */
export interface LevelGraphs {
  shapes: number[][];
  /** Inputs: `tap_i`, and tensors that are read here. Outputs: `level_i`; running statistics after the step. */
  forward: Uint8Array;
  /**
   * Inputs besides: `gradient of level_i`. Outputs: the gradient of each trained parameter that is read here, and of each
   * tap that is asked for.
   */
  backward: Uint8Array;
}

/** The graphs that a training runs. */
export function headGraphs(options: HeadStageOptions): HeadGraphs {
  if (headType(options.model.head).levels === null) return { levels: null, top: headStageGraph(options) };
  const levels = levelGraphs(options);
  return { levels, top: headTopGraph(options, levels.shapes) };
}

function levelGraphs(options: HeadStageOptions): LevelGraphs {
  const { graph, levels, running } = build(options);
  const shapeOf = inferShapes(graph);
  const shapes = levels.map(shapeOf);
  for (const [i, level] of levels.entries())
    graph.output(graph.node('Identity', [level], {}, levelOf(i)), 'float32', shapes[i]!);
  outputRunning(graph, options, running);
  return { shapes, forward: graph.toBytes(), backward: backwardGraph(options, shapes) };
}

function backwardGraph(options: HeadStageOptions, shapes: number[][]): Uint8Array {
  const { graph, inputs, levels } = build(options);
  const { gradients: taps, dtype } = options.taps;
  const trained = trainedHere(graph, options);
  const seeds = levels.map((level, i): [Value, Value] => [
    level,
    graph.input(levelGradient(i), 'float32', shapes[i]!),
  ]);
  const gradients = differentiate(graph, seeds, [
    ...trained.map(({ name }) => name as Value),
    ...taps.map((tap) => inputs[tap]!),
  ]);
  const shape = tapShape(options);
  const wanted = taps.map((tap) => ({ value: inputs[tap]!, name: tapGradient(tap), dtype, shape }));
  outputAllGradients(graph, trained, wanted, gradients);
  removeUnused(graph.proto);
  return graph.toBytes();
}

function build(options: HeadStageOptions) {
  const { model, train } = options;
  const graph = new GraphBuilder('levels');
  const { inputs, features } = tapInputs(graph, options);
  const running = new Map<string, Value>();
  const weights = inputWeights(headSpecs(model), 'float32');
  const training = { running, dropoutMasks: new Map<string, Value>() };
  const levels = headLevels(graph, weights, model, train.batch, features, training);
  return { graph, inputs, levels, running };
}
