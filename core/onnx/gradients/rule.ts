import type { Call, GraphBuilder, Value } from '../graph.ts';
import type { Shape } from '../shapes.ts';

/**
 * Input of a rule: the call to differentiate (`y = op(a, b, …)`), the gradient of the loss with respect to its first
 * output (`dy`), and the graph that the gradient's nodes are added to.
 */
export interface GradientContext {
  graph: GraphBuilder;
  call: Call;
  dy: Value;
  shape(value: Value): Shape;
}

/**
 * One gradient per input, in input order. Its nodes are added only when it is called. Null: the input has no gradient.
 */
export type Rule = (context: GradientContext) => ((() => Value) | null)[];

export function pair({ call }: GradientContext): [Value, Value] {
  return [call.inputs[0]!, call.inputs[1]!];
}

/** Sums a gradient over the axes along which the input was broadcast. */
export function sumTo({ graph, call, shape }: GradientContext, gradient: Value, index: number): Value {
  const wanted = shape(call.inputs[index]!);
  const given = shape(call.outputs[0]!);
  const more = given.length - wanted.length;
  const axes = given.flatMap((dim, axis) =>
    axis < more || (wanted[axis - more] === 1 && dim !== 1) ? [axis] : [],
  );
  if (axes.length === 0) return gradient;
  const summed = graph.node('ReduceSum', [gradient, graph.ints(axes)], { keepdims: 1 });
  return more > 0 ? graph.reshape(summed, wanted) : summed;
}

export function scaled(graph: GraphBuilder, x: Value, factor: number): Value {
  return graph.node('Mul', [x, graph.scalar(factor)]);
}

/** Adds the nodes on the first call; later calls return the same value. */
export function once(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
