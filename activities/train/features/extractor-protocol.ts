import type { ThreadFailure } from '../../onnx/thread-failure.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** What the extractor's thread is started with. */
export interface ExtractorOptions {
  modelFile: string;
  /** Where its weights' paths begin, if that isn't its own folder. */
  dataFolder?: string | null;
  config: FeaturesConfig;
}

/** To the thread. Images are moved, not copied; groups are computed in the order of their coming. */
export type ToExtractor = { type: 'extract'; images: Float32Array } | { type: 'close' };

/** From the thread: an answer to each group, in order. */
export type FromExtractor =
  | { type: 'ready' }
  | { type: 'features'; features: Float32Array[] }
  | ThreadFailure;
