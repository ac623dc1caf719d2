import { fromBinary } from '@bufbuild/protobuf';
import { elementCount } from '../checkpoint/dtypes.ts';
import type { VitConfig, VitModel } from '../config/model-kinds.ts';
import type { TrainConfig } from '../config/train.ts';
import { gridSide } from '../model/backbone.ts';
import { headGraphs } from '../model/chain/head-levels.ts';
import { headStageOf, lossOutput, trainedHeads } from '../model/chain/head-stage.ts';
import { buildHead, headLevels, headSpecs, headType, parameterSpecs } from '../model/head.ts';
import { GraphBuilder, type Value } from '../onnx/graph.ts';
import { type GraphProto, ModelProtoSchema, type NodeProto } from '../onnx/onnx_pb.ts';
import { inferShapes, type Shape } from '../onnx/shapes.ts';

/** Work of one training step of the heads, independent of the machine. */
export interface StepCost {
  parameters: number;
  /** Floating-point operations of the heads for one crop, forward; a multiplication and an addition count as two. */
  forwardFlops: number;
  /** Of them, what is computed again for the backward pass. */
  repeatedFlops: number;
  /** Node executions in a step; a loop's nodes count once per iteration. Each launches at least one kernel. */
  nodes: number;
}

export function stepCost(config: Pick<VitConfig, 'model' | 'run'> & { train: TrainConfig }): StepCost {
  const { model } = config;
  return {
    parameters: parameterSpecs(model).reduce((sum, { shape }) => sum + elementCount(shape), 0),
    forwardFlops: headFlops(model, buildHead),
    repeatedFlops: headType(model.head).levels ? headFlops(model, headLevels) : 0,
    nodes: nodesOfStep(config),
  };
}

/** Counts convolutions and matrix products only: other operators are below 1 % of them. */
function headFlops(model: VitModel, build: typeof buildHead | typeof headLevels): number {
  const { embedDim, taps: blocks } = model.backbone;
  const grid = gridSide(model.backbone);
  const graph = new GraphBuilder('head');
  const taps = blocks.map((_, i) => graph.input(`tap_${i}`, 'float32', [1, embedDim, grid, grid]));
  for (const { name, shape } of headSpecs(model)) graph.input(name, 'float32', shape);
  const training = { running: new Map<string, Value>(), dropoutMasks: new Map<string, Value>() };
  build(graph, (_, name) => name as Value, model, 1, taps, training);
  const shapeOf = inferShapes(graph);
  return graph.calls.reduce((sum, { op, inputs, outputs }) => {
    const rule = FLOPS[op];
    return rule ? sum + rule(shapeOf(inputs[0]!), shapeOf(inputs[1]!), shapeOf(outputs[0]!)) : sum;
  }, 0);
}

const FLOPS: Record<string, (a: Shape, b: Shape, y: Shape) => number> = {
  Conv: (_, w, y) => (2 * elementCount(y) * elementCount(w)) / w[0]!,
  ConvTranspose: (x, w) => (2 * elementCount(x) * elementCount(w)) / w[0]!,
  MatMul: (a, _, y) => 2 * elementCount(y) * a.at(-1)!,
};

function nodesOfStep(config: Parameters<typeof stepCost>[0]): number {
  const losses = trainedHeads(config.model, config.train).map(lossOutput);
  const { levels, top } = headGraphs(headStageOf(config));
  return [top, levels?.forward, levels?.backward].reduce((sum, bytes) => {
    if (!bytes) return sum;
    const { graph } = fromBinary(ModelProtoSchema, bytes);
    return sum + nodesOf(graph!, losses, config.train.batch);
  }, 0);
}

function nodesOf(graph: GraphProto, losses: string[], batch: number): number {
  return graph.node.reduce((sum, node) => {
    const body = bodyOf(node);
    if (!body) return sum + 1;
    const name = losses.find((loss) => node.output.includes(loss));
    // A gradient of a convolution's weight loops over images.
    if (name === undefined) return sum + batch * body.node.length;
    // A loss loops over images, and over the tiles of each image. Its first output is [images, tiles].
    const [images, tiles] = dimsOf(graph, name);
    const tile = body.node.map(bodyOf).find((inner) => inner !== undefined)!;
    return sum + images! * (body.node.length + tiles! * tile.node.length);
  }, 0);
}

function bodyOf({ attribute }: NodeProto): GraphProto | undefined {
  return attribute.find(({ name }) => name === 'body')?.g;
}

function dimsOf({ output }: GraphProto, name: string): number[] {
  const type = output.find((value) => value.name === name)!.type!.value;
  if (type.case !== 'tensorType') throw new Error(`${name} is no tensor`);
  return type.value.shape!.dim.map(({ value }) => Number(value.case === 'dimValue' ? value.value : 0));
}
