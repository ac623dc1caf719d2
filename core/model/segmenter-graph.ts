import type { Precision } from '../config/config.ts';
import type { DType } from '../config/manifests.ts';
import type { VitConfig } from '../config/model-kinds.ts';
import type { Normalization } from '../image/normalize.ts';
import { type Dim, GraphBuilder, type Value } from '../onnx/graph.ts';
import { vitOf } from './backbone.ts';
import { buildHead, logitsSide } from './head.ts';
import { vitFeatures } from './vit-graph.ts';
import type { WeightLoader } from './weights.ts';

/** Names of the segmenter's input and output. */
export const CROPS = 'crops';
export const LOGITS = 'head_logits';

export interface SegmenterOptions {
  config: Pick<VitConfig, 'model' | 'pipeline'>;
  weights: WeightLoader;
  /** Crops of a batch: the one static shape. */
  batch: number;
  precision: Precision;
  /** Intermediate stages to give out as well, by their golden names: `b0_attn`, `feat0` … Float32. */
  stages?: string[];
}

/**
 * Crops of bytes in, low-resolution logits out: normalisation, backbone and head in one graph.
 *
 * Input `crops` `[B, S, S, 3]` uint8 RGB; output `head_logits` `[B, classes, side, side]` float32.
 *
 * @returns the ONNX model file's bytes; weights stay in the checkpoints
 */
export function segmenterGraph({
  config,
  weights,
  batch,
  precision,
  stages = [],
}: SegmenterOptions): Uint8Array {
  const { backbone, head } = config.model;
  const graph = new GraphBuilder('segmenter');
  const size = backbone.imageSizePx;
  const crops = graph.input(CROPS, 'uint8', [batch, size, size, 3]);
  const image = normalize(graph, crops, config.pipeline);
  const dtype: DType = precision;
  const taps = vitFeatures({ graph, weights, vit: vitOf(backbone), batch, dtype }, image);
  const { logits } = buildHead(graph, weights, config.model, batch, taps);
  const side = logitsSide(config.model);
  graph.output(logits, 'float32', [batch, head.classes, side, side]);
  for (const stage of stages) {
    if (stage === LOGITS) continue;
    const source = stage === 'input' ? graph.transpose(image, [0, 3, 1, 2], 'input') : (stage as Value);
    graph.output(source, 'float32', unknownShape(stage));
  }
  return graph.toBytes();
}

/**
 * A graph that only normalises: for comparing the first step by itself.
 * Input `crops` `[1, H, W, 3]` uint8 RGB; output `input` `[1, 3, H, W]` float32.
 */
export function normalizeGraph(pipeline: Normalization): Uint8Array {
  const graph = new GraphBuilder('normalize');
  const image = normalize(graph, graph.input(CROPS, 'uint8', [1, 'height', 'width', 3]), pipeline);
  graph.output(graph.transpose(image, [0, 3, 1, 2], 'input'), 'float32', [1, 3, 'height', 'width']);
  return graph.toBytes();
}

/**
 * Normalises bytes bit for bit: as OpenCV does, where mean and std are float32, the difference is rounded to float32,
 * and the product with 1 / std is formed in float64 before it is rounded; or as torch does, by a division in float32.
 *
 * @see mmcv 1.7 `imnormalize`; golden/preprocessing/normalize_lut.npy; torchvision `Normalize`
 */
export function normalize(
  graph: GraphBuilder,
  crops: Value,
  { mean, std, normalization }: Normalization,
): Value {
  const centred = graph.node('Sub', [graph.cast(crops, 'float32'), graph.floats('mean', mean)]);
  if (normalization === 'torch')
    return graph.node('Div', [centred, graph.floats('std', std)], {}, 'normalized');
  const inverse = Float64Array.from(std, (s) => 1 / Math.fround(s));
  const scale = graph.constant('inverse_std', 'float64', [3], inverse);
  return graph.cast(graph.node('Mul', [graph.cast(centred, 'float64'), scale]), 'float32', 'normalized');
}

/** Stages are for looking at: their rank is enough, and theirs is 2 (tokens) or 4 (maps). */
function unknownShape(stage: string): Dim[] {
  const isMap = /^(input|feat|up1|head_|aux_)/.test(stage);
  return Array.from({ length: isMap ? 4 : 2 }, (_, i) => `${stage}_${i}`);
}
