import { sumOfPixels } from './gradients/rule.ts';
import type { GraphBuilder, Value } from './graph.ts';
import { inferShapes } from './shapes.ts';

/** Weight of a batch's statistics in the running statistics. @see torch `BatchNorm2d` */
const MOMENTUM = 0.1;

/**
 * BatchNorm in training, made of basic operators: ONNX's own operator has no CUDA kernel for training. One call for
 * `differentiate`.
 *
 * @param x `[B, C, H, W]` float32
 * @returns `[B, C, H, W]`, and the running mean and (unbiased) variance after this batch, `[C]`
 * @see torch `BatchNorm2d`; SyncBN over one process is the same
 */
export function batchNormTraining(
  graph: GraphBuilder,
  x: Value,
  parts: { scale: Value; bias: Value; mean: Value; variance: Value },
  epsilon: number,
): { y: Value; mean: Value; variance: Value } {
  const [batch, channels, height, width] = inferShapes(graph)(x) as [number, number, number, number];
  const pixels = batch * height * width;
  const perChannel = (value: Value) => graph.reshape(value, [1, channels, 1, 1]);
  const times = (value: Value, factor: number) => graph.node('Mul', [value, graph.scalar(factor)]);
  const shape = [batch, channels, height, width];
  let batchVariance = '' as Value;

  const [y, batchMean] = graph.composite('BatchNormTraining', [x, parts.scale, parts.bias], () => {
    const mean = times(sumOfPixels(graph, x, shape), 1 / pixels);
    const centred = graph.node('Sub', [x, perChannel(mean)]);
    const squares = sumOfPixels(graph, graph.node('Mul', [centred, centred]), shape);
    batchVariance = times(squares, 1 / pixels);
    const guarded = graph.node('Add', [batchVariance, graph.scalar(epsilon)]);
    const inverse = graph.node('Reciprocal', [graph.node('Sqrt', [guarded])]);
    const factor = perChannel(graph.node('Mul', [parts.scale, inverse]));
    const y = graph.node('Add', [graph.node('Mul', [centred, factor]), perChannel(parts.bias)]);
    return [y, mean, inverse, centred];
  }) as [Value, Value, Value, Value];

  const blend = (running: Value, fresh: Value, correction: number) =>
    graph.node('Add', [times(running, 1 - MOMENTUM), times(fresh, MOMENTUM * correction)]);
  return {
    y,
    mean: blend(parts.mean, batchMean, 1),
    variance: blend(parts.variance, batchVariance, pixels / Math.max(pixels - 1, 1)),
  };
}
