import { elementCount } from '../../checkpoint/dtypes.ts';
import type { DType } from '../../config/manifests.ts';
import type { Call, GraphBuilder, Value } from '../graph.ts';
import type { Shape } from '../shapes.ts';

/**
 * Input of a rule: the call to differentiate (`y = op(a, b, …)`), the gradient of the loss with respect to its first
 * output (`dy`), and the graph that the gradient's nodes are added to.
 */
export interface GradientContext {
  graph: GraphBuilder;
  call: Call;
  /** Of the output's type. */
  dy: Value;
  /** Of all outputs; undefined where the loss does not depend on one. */
  outputGrads: (Value | undefined)[];
  shape(value: Value): Shape;
}

/**
 * One gradient per input, in input order: of the input's type or float32. Its nodes are added only when it is called.
 * Null: the input has no gradient.
 */
export type Rule = (context: GradientContext) => ((() => Value) | null)[];

export function pair({ call }: GradientContext): [Value, Value] {
  return [call.inputs[0]!, call.inputs[1]!];
}

export function castTo(graph: GraphBuilder, value: Value, type: DType): Value {
  return graph.typeOf(value) === type ? value : graph.cast(value, type);
}

export function zeros(graph: GraphBuilder, shape: Shape, type: DType): Value {
  return graph.node('Expand', [castTo(graph, graph.scalar(0), type), graph.ints(shape)]);
}

/**
 * Sums a gradient over the axes along which the input was broadcast; the sum is float32.
 *
 * @param given the gradient's shape, where it isn't the output's
 */
export function sumTo(
  { graph, call, shape }: GradientContext,
  gradient: Value,
  index: number,
  given = shape(call.outputs[0]!),
): Value {
  const wanted = shape(call.inputs[index]!);
  const more = given.length - wanted.length;
  const axes = given.flatMap((dim, axis) =>
    axis < more || (wanted[axis - more] === 1 && dim !== 1) ? [axis] : [],
  );
  if (axes.length === 0) return more > 0 ? graph.reshape(gradient, wanted) : gradient;
  if (axes.every((axis, i) => axis === i))
    return graph.reshape(sumOfRows(graph, gradient, given, axes.length), wanted);
  const summed = graph.node('ReduceSum', [castTo(graph, gradient, 'float32'), graph.ints(axes)], {
    keepdims: 1,
  });
  return more > 0 ? graph.reshape(summed, wanted) : summed;
}

/**
 * Sums over the first axes, float32. A product with a row of ones, because ReduceSum on CUDA adds in an order that differs
 * from run to run.
 *
 * @param axes how many axes are summed over
 * @returns `[1, elements of the other axes]`
 */
export function sumOfRows(graph: GraphBuilder, value: Value, shape: Shape, axes: number): Value {
  const rows = elementCount(shape.slice(0, axes));
  const columns = elementCount(shape.slice(axes));
  const ones = graph.node('Expand', [graph.scalar(1), graph.ints([1, rows])]);
  const matrix = shape.length === 2 && axes === 1 ? value : graph.reshape(value, [rows, columns]);
  return graph.node('Gemm', [ones, castTo(graph, matrix, 'float32')]);
}

/**
 * Sums `[B, C, H, W]` over all but the channels, float32: by products with ones, for the same reason. ONNX Runtime may move
 * a Transpose from before a reduction to behind it, and then reduces over other axes than the graph says.
 *
 * @returns `[C]`
 */
export function sumOfPixels(graph: GraphBuilder, value: Value, shape: Shape): Value {
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const pixels = height * width;
  const flat = graph.reshape(value, [batch * channels, pixels]);
  const ones = graph.node('Expand', [graph.scalar(1), graph.ints([pixels, 1])]);
  const ofImages = graph.reshape(graph.node('Gemm', [flat, ones]), [batch, channels]);
  return graph.reshape(sumOfRows(graph, ofImages, [batch, channels], 1), [channels]);
}

export function scaled(graph: GraphBuilder, x: Value, factor: number): Value {
  return graph.node('Mul', [x, graph.scalar(factor)]);
}

/** Adds the nodes on the first call; later calls return the same value. */
export function once<T extends object | string>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
