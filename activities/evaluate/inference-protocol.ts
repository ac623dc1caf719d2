import type { Config } from '../../core/config/config.ts';
import type { Size } from '../../core/image/test-size.ts';
import type { View } from '../../core/image/views.ts';
import type { ThreadFailure } from '../onnx/thread-failure.ts';

/** What the inference thread is started with. */
export interface InferenceOptions {
  modelFile: string;
  /** Where its weights' paths begin, if that isn't its own folder. */
  dataFolder?: string | null;
  config: Pick<Config, 'model' | 'pipeline' | 'run'>;
}

/** To the thread. Images are moved, not copied. */
export type ToInference =
  | { type: 'image'; id: string; views: View[]; original: Size }
  | { type: 'flush' }
  | { type: 'close' };

/** From the thread. */
export type FromInference =
  | { type: 'ready'; buildSeconds: number; warmUpSeconds: number }
  | { type: 'labels'; id: string; labels: Uint8Array; phases: InferencePhases }
  | ThreadFailure;

/** Seconds that the thread has spent since its start. */
export interface InferencePhases {
  /** Backbone and head. */
  graph: number;
  /** Averaging, resizing, argmax. */
  stitch: number;
  /** Batches run, padded slots among them. */
  batches: number;
}
