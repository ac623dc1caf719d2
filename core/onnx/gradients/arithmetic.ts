import type { GraphBuilder, Value } from '../graph.ts';
import { pair, type Rule, scaled, sumTo } from './rule.ts';

/** Sums, products and activations, an element at a time. */
export const ARITHMETIC: Record<string, Rule> = {
  Identity: ({ dy }) => [() => dy],
  Add: (ctx) => [() => sumTo(ctx, ctx.dy, 0), () => sumTo(ctx, ctx.dy, 1)],
  Sub: (ctx) => [() => sumTo(ctx, ctx.dy, 0), () => sumTo(ctx, ctx.graph.node('Neg', [ctx.dy]), 1)],
  Mul: (ctx) => {
    const { dy, graph } = ctx;
    const [a, b] = pair(ctx);
    return [() => sumTo(ctx, graph.node('Mul', [dy, b]), 0), () => sumTo(ctx, graph.node('Mul', [dy, a]), 1)];
  },

  /** The derivative is sign(y), because y ≥ 0. */
  Relu: ({ dy, graph, call }) => [() => graph.node('Mul', [dy, graph.node('Sign', [call.outputs[0]!])])],
  /** 2/√π · e^(−x²) */
  Erf: ({ dy, graph, call }) => [
    () => graph.node('Mul', [dy, scaled(graph, gauss(graph, call.inputs[0]!, -1), 2 / Math.sqrt(Math.PI))]),
  ],
  Exp: ({ dy, graph, call }) => [() => graph.node('Mul', [dy, call.outputs[0]!])],
  /** Φ(x) + x · φ(x), with the normal distribution's Φ and φ. */
  Gelu: ({ dy, graph, call }) => {
    const x = call.inputs[0]!;
    return [
      () => {
        const erf = graph.node('Erf', [scaled(graph, x, Math.SQRT1_2)]);
        const cumulative = graph.node('Add', [scaled(graph, erf, 0.5), graph.scalar(0.5)]);
        const density = scaled(graph, gauss(graph, x, -0.5), 1 / Math.sqrt(2 * Math.PI));
        const derivative = graph.node('Add', [cumulative, graph.node('Mul', [x, density])]);
        return graph.node('Mul', [dy, derivative]);
      },
    ];
  },
};

/** e^(factor · x²) */
function gauss(graph: GraphBuilder, x: Value, factor: number): Value {
  return graph.node('Exp', [scaled(graph, graph.node('Mul', [x, x]), factor)]);
}
