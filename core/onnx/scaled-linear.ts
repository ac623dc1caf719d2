import type { GraphBuilder, Value } from './graph.ts';

/**
 * γ ∘ (x Wᵀ + b): a linear layer and its LayerScale as one call for `differentiate`, which then needs no output of the
 * layer for γ's gradient. The nodes are Gemm and Mul.
 *
 * @param x `[N, in]`
 * @param parts weight `[out, in]`, bias and gamma `[out]`, of x's type
 * @param name of the layer's output before the scale
 * @returns `[N, out]`
 */
export function scaledLinear(
  graph: GraphBuilder,
  x: Value,
  parts: { weight: Value; bias: Value; gamma: Value },
  name: string,
): Value {
  const { weight, bias, gamma } = parts;
  return graph.composite('ScaledLinear', [x, weight, bias, gamma], () => {
    const y = graph.node('Gemm', [x, weight, bias], { transB: 1 }, name);
    return [graph.node('Mul', [y, gamma])];
  })[0]!;
}
