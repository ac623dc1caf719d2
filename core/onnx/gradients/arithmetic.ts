import type { GraphBuilder, Value } from '../graph.ts';
import { castTo, type GradientContext, pair, type Rule, scaled, sumTo } from './rule.ts';

/** Sums, products and activations, an element at a time. */
export const ARITHMETIC: Record<string, Rule> = {
  Add: (ctx) => [() => sumTo(ctx, ctx.dy, 0), () => sumTo(ctx, ctx.dy, 1)],
  Sub: (ctx) => [() => sumTo(ctx, ctx.dy, 0), () => sumTo(ctx, ctx.graph.node('Neg', [ctx.dy]), 1)],
  Neg: ({ dy, graph }) => [() => graph.node('Neg', [dy])],
  Mul: (ctx) => {
    const { dy, graph } = ctx;
    const [a, b] = pair(ctx);
    return [() => sumTo(ctx, graph.node('Mul', [dy, b]), 0), () => sumTo(ctx, graph.node('Mul', [dy, a]), 1)];
  },

  /** The derivative is sign(y), because y ≥ 0. */
  Relu: ({ dy, graph, call }) => [() => graph.node('Mul', [dy, graph.node('Sign', [call.outputs[0]!])])],
  Exp: ({ dy, graph, call }) => [() => graph.node('Mul', [dy, call.outputs[0]!])],
  /** 2/√π · e^(−x²) */
  Erf: (ctx) => [() => times(ctx, (graph, x) => scaled(graph, gauss(graph, x, -1), 2 / Math.sqrt(Math.PI)))],
  /** y · (1 − y) */
  Sigmoid: (ctx) => [
    () =>
      times(ctx, (graph, x) => {
        const y = graph.node('Sigmoid', [x]);
        return graph.node('Sub', [y, graph.node('Mul', [y, y])]);
      }),
  ],
  /** Φ(x) + x · φ(x), with the normal distribution's Φ and φ. */
  Gelu: (ctx) => [
    () =>
      times(ctx, (graph, x) => {
        const erf = graph.node('Erf', [scaled(graph, x, Math.SQRT1_2)]);
        const cumulative = graph.node('Add', [scaled(graph, erf, 0.5), graph.scalar(0.5)]);
        const density = scaled(graph, gauss(graph, x, -0.5), 1 / Math.sqrt(2 * Math.PI));
        return graph.node('Add', [cumulative, graph.node('Mul', [x, density])]);
      }),
  ],
};

/** dy times a derivative that is computed from x in float32: of the input's type. */
function times(
  { dy, graph, call }: GradientContext,
  derivative: (graph: GraphBuilder, x: Value) => Value,
): Value {
  const slope = derivative(graph, castTo(graph, call.inputs[0]!, 'float32'));
  return castTo(graph, graph.node('Mul', [castTo(graph, dy, 'float32'), slope]), graph.typeOf(dy));
}

/** e^(factor · x²) */
function gauss(graph: GraphBuilder, x: Value, factor: number): Value {
  return graph.node('Exp', [scaled(graph, graph.node('Mul', [x, x]), factor)]);
}
