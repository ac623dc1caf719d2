import type { Precision } from '../config/config.ts';
import type { VitConfig } from '../config/model-kinds.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import { gridSide, vitOf } from './backbone.ts';
import { vitFeatures } from './vit-graph.ts';
import type { WeightLoader } from './weights.ts';

/** Name of the features graph's input. */
export const IMAGES = 'images';
/** Names of its outputs, one a tap. */
export const featureOf = (tap: number) => `feature${tap}`;

export interface FeaturesOptions {
  config: Pick<VitConfig, 'model' | 'run'>;
  weights: WeightLoader;
  /** Crops of a batch: the one static shape. */
  batch: number;
  /** What features are rounded to, `train.features`. */
  features: Precision;
}

/**
 * The frozen backbone alone: what a head is trained on. A feature is rounded here, where it comes into being, so
 * that it is the same number whether it stays in this process or is sent in fewer bytes.
 *
 * Input `images` `[B, S, S, 3]` float32, normalised RGB; outputs `feature0` … `[B, C, S / patch, S / patch]`
 * float32, one a tap, before the feature pyramid.
 *
 * @returns the ONNX model file's bytes; weights stay in the checkpoints
 */
export function featuresGraph({ config, weights, batch, features }: FeaturesOptions): Uint8Array {
  const { backbone } = config.model;
  const graph = new GraphBuilder('features');
  const size = backbone.imageSizePx;
  const images = graph.input(IMAGES, 'float32', [batch, size, size, 3]);
  const taps = vitFeatures(
    { graph, weights, vit: vitOf(backbone), batch, dtype: config.run.precision },
    images,
  );
  const side = gridSide(backbone);
  for (const [tap, value] of taps.entries()) {
    // A Cast to the type that a value has is none: ONNX Runtime takes it out.
    const feature = graph.cast(graph.cast(value, features), 'float32', featureOf(tap));
    graph.output(feature, 'float32', [batch, backbone.embedDim, side, side]);
  }
  return graph.toBytes();
}
