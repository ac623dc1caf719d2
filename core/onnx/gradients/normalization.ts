import { elementCount } from '../../checkpoint/dtypes.ts';
import type { Value } from '../graph.ts';
import { once, pair, type Rule, scaled } from './rule.ts';

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
    const sum = (value: Value) => graph.node('ReduceSum', [value, graph.ints([0, 2, 3])], { keepdims: 0 });
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
  /**
   * Over the last axis. As BatchNorm, with the scale inside the means:
   * dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(variance + ε), g = γ · dy.
   */
  LayerNormalization: (ctx) => {
    const { dy, graph, call, shape } = ctx;
    const [x, scale] = pair(ctx);
    const rank = shape(x).length;
    const { axis = -1, epsilon = { float: 1e-5 } } = call.attributes;
    if (axis !== -1 && axis !== rank - 1)
      throw new Error(`LayerNormalization: no gradient over axis ${axis}`);
    const mean = (value: Value) => graph.node('ReduceMean', [value, graph.ints([-1])]);
    const centred = once(() => graph.node('Sub', [x, mean(x)]));
    const inverse = once(() => {
      const variance = mean(graph.node('Mul', [centred(), centred()]));
      const guarded = graph.node('Add', [variance, graph.scalar((epsilon as { float: number }).float)]);
      return graph.node('Reciprocal', [graph.node('Sqrt', [guarded])]);
    });
    const normalised = once(() => graph.node('Mul', [centred(), inverse()]));
    const others = graph.ints(Array.from({ length: rank - 1 }, (_, i) => i));
    return [
      () => {
        const outputGrad = graph.node('Mul', [dy, scale]);
        const correlation = mean(graph.node('Mul', [outputGrad, normalised()]));
        const projection = graph.node('Mul', [normalised(), correlation]);
        const gradCentred = graph.node('Sub', [outputGrad, mean(outputGrad)]);
        return graph.node('Mul', [graph.node('Sub', [gradCentred, projection]), inverse()]);
      },
      () => graph.node('ReduceSum', [graph.node('Mul', [dy, normalised()]), others], { keepdims: 0 }),
      () => graph.node('ReduceSum', [dy, others], { keepdims: 0 }),
    ];
  },
};
