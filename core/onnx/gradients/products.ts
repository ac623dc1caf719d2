import type { Attribute, Value } from '../graph.ts';
import { castTo, once, pair, type Rule, sumOfRows, sumTo } from './rule.ts';

/** Matrix products. */
export const PRODUCTS: Record<string, Rule> = {
  MatMul: (ctx) => {
    const { dy, graph, shape } = ctx;
    const [a, b] = pair(ctx);
    const transposed = (x: Value) => graph.transpose(x, swapLast(shape(x).length));
    const batch = shape(ctx.call.outputs[0]!).slice(0, -2);
    const given = (x: Value) => [...batch, ...shape(x).slice(-2)];
    return [
      () => sumTo(ctx, graph.node('MatMul', [dy, transposed(b)]), 0, given(a)),
      () => sumTo(ctx, graph.node('MatMul', [transposed(a), dy]), 1, given(b)),
    ];
  },
  /** y = A′ · B′ + c, where ′ is the transposition given by the attributes. */
  Gemm: (ctx) => {
    const { dy, graph, call } = ctx;
    const [a, b] = pair(ctx);
    const { transA = 0, transB = 0, alpha, beta } = call.attributes;
    if (alpha !== undefined || beta !== undefined) throw new Error('Gemm: no gradient with alpha or beta');
    const gemm = (x: Value, y: Value, left: Attribute, right: Attribute) =>
      graph.node('Gemm', [x, y], { transA: left, transB: right });
    return [
      () => (transA ? gemm(b, dy, transB, 1) : gemm(dy, b, 0, transB ? 0 : 1)),
      () => (transB ? gemm(dy, a, 1, transA) : gemm(a, dy, transA ? 0 : 1, 0)),
      () => sumTo(ctx, dy, 2),
    ];
  },
  /**
   * y = γ ∘ (x Wᵀ + b), see scaled-linear.ts. With G = dyᵀ x: dW = γ ∘ G, and Σ dy ∘ (x Wᵀ) over tokens is Σ W ∘ G over
   * a row, so that the product x Wᵀ isn't computed again.
   */
  ScaledLinear: ({ graph, dy, call, shape }) => {
    const [x, weight, bias, gamma] = call.inputs as [Value, Value, Value, Value];
    const [outputs, inputs] = shape(weight) as [number, number];
    const wide = (value: Value) => castTo(graph, value, 'float32');
    const product = once(() => graph.node('Gemm', [dy, x], { transA: 1 }));
    const sum = once(() => graph.reshape(sumOfRows(graph, dy, shape(call.outputs[0]!), 1), [outputs]));
    return [
      () => graph.node('Gemm', [graph.node('Mul', [dy, gamma]), weight]),
      () => graph.node('Mul', [product(), graph.reshape(gamma, [outputs, 1])]),
      () => graph.node('Mul', [sum(), wide(gamma)]),
      () => {
        const ones = graph.node('Expand', [graph.scalar(1), graph.ints([inputs, 1])]);
        const weighted = graph.node('Mul', [wide(weight), wide(product())]);
        const ofProduct = graph.reshape(graph.node('MatMul', [weighted, ones]), [outputs]);
        return graph.node('Add', [ofProduct, graph.node('Mul', [sum(), wide(bias)])]);
      },
    ];
  },
};

function swapLast(rank: number): number[] {
  const perm = Array.from({ length: rank }, (_, i) => i);
  return [...perm.slice(0, -2), rank - 1, rank - 2];
}
