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
  const weight = weights(graph, `${key}.conv.weight`, 'float32');
  return normalised(ctx, graph.node('Conv', [x, weight], padded(kernel)), key, name);
}

/**
 * The same on maps that are joined along their channels. In training it is the sum of what each of them gives, so that the
 * joint map and its gradient, 8 GB each of UperNet's at a batch of 16, are never there.
 *
 * @param maps `[B, channels, H, W]` float32
 */
export function joinedConvModule(
  ctx: HeadContext,
  maps: Value[],
  channels: number,
  key: string,
  kernel: number,
  name?: string,
): Value {
  const { graph, weights, training } = ctx;
  if (!training) return convModule(ctx, graph.node('Concat', maps, { axis: 1 }), key, kernel, name);
  const weight = weights(graph, `${key}.conv.weight`, 'float32');
  const sizes = graph.ints(maps.map(() => channels));
  const names = maps.map((_, i) => `${key}.conv.weight of map ${i}`);
  const parts = graph.nodes('Split', [weight, sizes], { axis: 1 }, names);
  const convolved = maps.map((map, i) => graph.node('Conv', [map, parts[i]!], padded(kernel)));
  const sum = convolved.reduce((total, one) => graph.node('Add', [total, one]));
  return normalised(ctx, sum, key, name);
}

function normalised(ctx: HeadContext, convolved: Value, key: string, name: string | undefined): Value {
  return ctx.graph.node('Relu', [batchNorm(ctx, convolved, `${key}.bn`)], {}, name);
}

function padded(kernel: number) {
  const pad = (kernel - 1) / 2;
  return { kernel_shape: [kernel, kernel], pads: [pad, pad, pad, pad] };
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
