import { elementCount } from '../../checkpoint/dtypes.ts';
import type { Value } from '../graph.ts';
import {
  castTo,
  type GradientContext,
  once,
  pair,
  type Rule,
  scaled,
  sumOfPixels,
  sumOfRows,
} from './rule.ts';

/** Norms over a batch or over channels. */
export const NORMALIZATION: Record<string, Rule> = {
  /**
   * `BatchNormTraining` returns y, the batch's mean and 1/√(variance + ε) = i, and c = x − mean (see batch-norm.ts):
   * dx = γ · i · (dy − mean(dy) − c · i² · mean(dy · c)).
   */
  BatchNormTraining: (ctx) => {
    const { dy, graph, call, shape } = ctx;
    const [x, scale] = pair(ctx);
    const [, , inverse, centred] = call.outputs as [Value, Value, Value, Value];
    const channels = shape(scale)[0]!;
    const pixels = elementCount(shape(x)) / channels;
    const sum = (value: Value) => sumOfPixels(graph, value, shape(x));
    const perChannel = (value: Value) => graph.reshape(value, [1, channels, 1, 1]);
    const dBias = once(() => sum(dy));
    const dScale = once(() => graph.node('Mul', [sum(graph.node('Mul', [dy, centred])), inverse]));
    return [
      () => {
        const gradMean = perChannel(scaled(graph, dBias(), 1 / pixels));
        const gradCentred = graph.node('Sub', [dy, gradMean]);
        const correlation = graph.node('Mul', [scaled(graph, dScale(), 1 / pixels), inverse]);
        const projection = graph.node('Mul', [centred, perChannel(correlation)]);
        const factor = perChannel(graph.node('Mul', [scale, inverse]));
        return graph.node('Mul', [graph.node('Sub', [gradCentred, projection]), factor]);
      },
      dScale,
      dBias,
    ];
  },
  LayerNormalization: (ctx) => {
    const { graph, call } = ctx;
    const { stash_type = 1, epsilon, axis = -1 } = call.attributes;
    return lastAxisNorm(ctx, 'LayerNormalization', (x, ones) => {
      const outputs = ['normalised', 'mean', 'inverse'].map((part) => `${call.outputs[0]}_${part}`);
      const attributes = { axis, stash_type, epsilon: epsilon ?? { float: DEFAULT_EPSILON } };
      const [normalised, , inverse] = graph.nodes('LayerNormalization', [x, ones], attributes, outputs);
      return { normalised: normalised!, inverse: inverse! };
    });
  },
  RMSNormalization: (ctx) => {
    const { graph, call } = ctx;
    const { epsilon } = call.attributes as { epsilon?: { float: number } };
    return lastAxisNorm(ctx, 'RMSNormalization', (x) => {
      const squares = graph.node('ReduceMean', [graph.node('Mul', [x, x]), graph.ints([-1])]);
      const guarded = graph.node('Add', [squares, graph.scalar(epsilon?.float ?? DEFAULT_EPSILON)]);
      const inverse = graph.node('Reciprocal', [graph.node('Sqrt', [guarded])]);
      return { normalised: graph.node('Mul', [x, inverse]), inverse };
    });
  },
};

const DEFAULT_EPSILON = 1e-5;

/**
 * Norms over the last axis, y = γ · x̂ (+ β), in float32. As BatchNorm, with the scale inside the means:
 * dx = (g − mean(g) − x̂ · mean(g · x̂)) · i, g = γ · dy, 1/√(variance + ε) = i; without mean(g) where no mean was
 * subtracted. Means over channels are products with γ / channels.
 */
function lastAxisNorm(
  { dy: outputGrad, graph, call, shape }: GradientContext,
  op: 'LayerNormalization' | 'RMSNormalization',
  statistics: (x: Value, ones: Value) => { normalised: Value; inverse: Value },
): ReturnType<Rule> {
  const [x, scale] = call.inputs as [Value, Value];
  const dims = shape(x);
  const channels = dims.at(-1)!;
  const rank = dims.length;
  const { axis = -1 } = call.attributes;
  if (axis !== -1 && axis !== rank - 1) throw new Error(`${op}: no gradient over axis ${axis}`);
  const wide = (value: Value) => castTo(graph, value, 'float32');
  const computed = once(() => {
    const ones = graph.node('Expand', [graph.scalar(1), graph.ints([channels])]);
    return statistics(wide(x), ones);
  });
  const dy = once(() => wide(outputGrad));
  const correlation = once(() => graph.node('Mul', [dy(), computed().normalised]));
  const perChannel = (value: Value) => graph.reshape(sumOfRows(graph, value, dims, rank - 1), [channels]);
  const weights = once(() => graph.reshape(scaled(graph, wide(scale), 1 / channels), [channels, 1]));
  const mean = (value: Value) => graph.node('MatMul', [value, weights()]);
  return [
    () => {
      const { normalised, inverse } = computed();
      const scaledGrad = graph.node('Mul', [dy(), wide(scale)]);
      const gradCentred =
        op === 'LayerNormalization' ? graph.node('Sub', [scaledGrad, mean(dy())]) : scaledGrad;
      const projection = graph.node('Mul', [normalised, mean(correlation())]);
      const gradient = graph.node('Mul', [graph.node('Sub', [gradCentred, projection]), inverse]);
      return castTo(graph, gradient, graph.typeOf(x));
    },
    () => perChannel(correlation()),
    () => perChannel(dy()),
  ];
}
