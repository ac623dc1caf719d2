import { batchNormTraining } from '../onnx/batch-norm.ts';
import type { GraphBuilder, Value } from '../onnx/graph.ts';
import type { TensorSpec } from './tensor-spec.ts';
import type { TensorLoader } from './weights.ts';

/** Context in which a head's layers are built; float32. */
export interface HeadContext {
  graph: GraphBuilder;
  weights: TensorLoader;
  batchNormEps: number;
  /** In training: BatchNorm uses the batch's statistics, and dropout is applied. Absent in evaluation. */
  training?: TrainingPart;
}

export interface TrainingPart {
  /** Running statistics after this batch, by name. The layers fill it. */
  running: Map<string, Value>;
  /** Dropout masks `[B, C, 1, 1]` by the head's key; empty without dropout. */
  dropoutMasks: Map<string, Value>;
}

const BATCH_NORM_KEYS = ['weight', 'bias', 'running_mean', 'running_var'];

export function batchNormSpecs(key: string, channels: number): TensorSpec[] {
  return BATCH_NORM_KEYS.map((part) => ({ name: `${key}.${part}`, shape: [channels] }));
}

/** BatchNorm: with running statistics, or in training with the batch's (SyncBN over one process is the same). */
export function batchNorm(
  { graph, weights, batchNormEps, training }: HeadContext,
  x: Value,
  key: string,
  name?: string,
): Value {
  const parts = BATCH_NORM_KEYS.map((part) => weights(graph, `${key}.${part}`, 'float32'));
  if (training) {
    const [scale, bias, mean, variance] = parts as [Value, Value, Value, Value];
    const trained = batchNormTraining(graph, x, { scale, bias, mean, variance }, batchNormEps);
    training.running.set(`${key}.running_mean`, trained.mean).set(`${key}.running_var`, trained.variance);
    return trained.y;
  }
  return graph.node('BatchNormalization', [x, ...parts], { epsilon: { float: batchNormEps } }, name);
}

/** `kernel` of mmcv's ConvModule: a convolution without bias, BatchNorm, ReLU. */
export function convModuleSpecs(key: string, from: number, to: number, kernel: number): TensorSpec[] {
  return [
    { name: `${key}.conv.weight`, shape: [to, from, kernel, kernel] },
    ...batchNormSpecs(`${key}.bn`, to),
  ];
}

/**
 * Convolution, BatchNorm, ReLU; the output has the input's size.
 *
 * @param x `[B, from, H, W]` float32
 * @returns `[B, to, H, W]` float32
 * @see mmcv 1.7 `ConvModule` with norm_cfg and the default activation
 */
export function convModule(ctx: HeadContext, x: Value, key: string, kernel: number, name?: string): Value {
  const { graph, weights } = ctx;
  const pad = (kernel - 1) / 2;
  const attributes = { kernel_shape: [kernel, kernel], pads: [pad, pad, pad, pad] };
  const convolved = graph.node('Conv', [x, weights(graph, `${key}.conv.weight`, 'float32')], attributes);
  return graph.node('Relu', [batchNorm(ctx, convolved, `${key}.bn`)], {}, name);
}

/** Dropout, then a 1×1 convolution to class logits. @see mmseg 0.30 `BaseDecodeHead.cls_seg` */
export function classify(ctx: HeadContext, x: Value, key: string, name: string): Value {
  const { graph, weights, training } = ctx;
  const load = (part: string) => weights(graph, `${key}.conv_seg.${part}`, 'float32');
  const dropoutMask = training?.dropoutMasks.get(key);
  const dropped = dropoutMask ? graph.node('Mul', [x, dropoutMask]) : x;
  return graph.node('Conv', [dropped, load('weight'), load('bias')], {}, name);
}

/**
 * Bilinear resizing, equal to torch's interpolate with align_corners=False.
 *
 * @param shape of the result, `[B, C, H, W]`
 */
export function resizeTo(graph: GraphBuilder, x: Value, shape: number[]): Value {
  const none = '' as Value;
  const attributes = { mode: 'linear', coordinate_transformation_mode: 'half_pixel' };
  return graph.node('Resize', [x, none, none, graph.ints(shape)], attributes);
}
