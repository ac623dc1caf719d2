import type { Attribute, Value } from '../graph.ts';
import { pair, type Rule, sumTo } from './rule.ts';

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
};

function swapLast(rank: number): number[] {
  const perm = Array.from({ length: rank }, (_, i) => i);
  return [...perm.slice(0, -2), rank - 1, rank - 2];
}
