import { GraphBuilder, type Value } from '../onnx/graph.ts';
import { vitOf } from './backbone.ts';
import { type ChainConfig, planChain, type StretchInput } from './chain/chain-plan.ts';
import { embedding, transformerBlock, type VitContext, vitFeatures } from './vit-graph.ts';
import type { WeightLoader } from './weights.ts';

/** Name of the features graph's input. */
export const IMAGES = 'images';
/** Names of its outputs. */
export const featureOf = (tap: number) => `feature${tap}`;

export interface FeaturesOptions {
  config: ChainConfig;
  weights: WeightLoader;
  /** Crops of a batch: the one static shape. */
  batch: number;
}

/**
 * The frozen stretch of a backbone in training, whole or below the lowest block that trains. A feature is rounded to
 * `train.features` here, where it comes into being, so that it is the same number whether it stays in this process or is
 * sent in fewer bytes.
 *
 * Input `images` `[B, S, S, 3]` float32, normalised RGB; outputs `feature0` …, float32, in the order of
 * `ChainPlan.inputs`: a tap's map `[B, C, S / patch, S / patch]` before the feature pyramid, or tokens `[B · N, C]`.
 *
 * @returns the ONNX model file's bytes; weights stay in the checkpoints
 */
export function featuresGraph({ config, weights, batch }: FeaturesOptions): Uint8Array {
  const { backbone } = config.model;
  const { inputs } = planChain(config);
  const graph = new GraphBuilder('features');
  const size = backbone.imageSizePx;
  const images = graph.input(IMAGES, 'float32', [batch, size, size, 3]);
  const ctx = { graph, weights, vit: vitOf(backbone), batch, dtype: config.run.precision };
  const isFeature = inputs[0]!.kind === 'feature';
  const values = isFeature ? vitFeatures(ctx, images) : tokensBehind(ctx, images, blocksOf(inputs));
  for (const [i, value] of values.entries()) {
    // A Cast to the type that a value has is none: ONNX Runtime takes it out.
    const rounded = isFeature ? graph.cast(value, config.train.features) : value;
    const [first, ...rest] = inputs[i]!.shape as [number, ...number[]];
    const shape = isFeature ? [batch, first, ...rest] : [batch * first, ...rest];
    graph.output(graph.cast(rounded, 'float32', featureOf(i)), 'float32', shape);
  }
  return graph.toBytes();
}

function blocksOf(inputs: StretchInput[]): number[] {
  return inputs.flatMap((input) => (input.kind === 'tokens' ? [input.block] : []));
}

/** Outputs of blocks, −1 for the embedding's, in the order that they are asked for. */
function tokensBehind(ctx: VitContext, images: Value, blocks: number[]): Value[] {
  let tokens = embedding(ctx, images);
  const found = new Map([[-1, tokens]]);
  for (let block = 0; block <= Math.max(...blocks); block++) {
    tokens = transformerBlock(ctx, tokens, block);
    found.set(block, tokens);
  }
  return blocks.map((block) => found.get(block)!);
}
