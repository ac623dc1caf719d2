import type { MessagePort } from 'node:worker_threads';
import type { Config } from '../../core/config/config.ts';
import type { Labels } from '../../core/image/label-map.ts';
import type { Size } from '../../core/image/test-size.ts';
import type { View } from '../../core/image/views.ts';
import type { CropShape } from '../../core/model/crop-shape.ts';
import type { OwnModelPlan } from '../../core/model/own-onnx.ts';
import type { Span } from './overlap.ts';
import type { ImageLogits } from './slide-segmenter.ts';

/** What the inference thread is started with. */
export interface InferenceOptions {
  modelFile: string;
  /** Where its weights' paths begin, if that isn't its own folder. */
  dataFolder?: string | null;
  config: Pick<Config, 'model' | 'pipeline' | 'run'>;
  /** Of a model of type onnx: how it is run, and what messages call it. */
  own?: { plan: OwnModelPlan; name: string };
  /**
   * Whether the stitcher has a thread of its own; by default on CUDA only. On a CPU both want the same cores, and a thread
   * more costs each worker half a second of them at its start.
   */
  stitchBeside?: boolean;
}

export interface InferenceThreadOptions extends InferenceOptions {
  /** Takes each image's logits, and answers how many windows it is done with. */
  stitcher: MessagePort;
  /** The other end, if the stitcher has no thread of its own. */
  images: MessagePort | null;
}

export interface StitcherOptions {
  /** Of what the model gives. */
  shape: CropShape;
  config: Pick<Config, 'pipeline' | 'run'>;
  /** Brings them. */
  images: MessagePort;
}

/** An image for the thread: moved, not copied. */
export interface ImageToSegment {
  id: string;
  views: View[];
  original: Size;
}

export interface InferenceExchange {
  data: InferenceThreadOptions;
  ready: StartSeconds;
  message: ImageToSegment | 'flush';
  /** If the stitcher is at work there. */
  news: Labelled;
}

export interface StitcherExchange {
  data: StitcherOptions;
  ready: StartSeconds;
  news: Labelled;
}

interface StartSeconds {
  buildSeconds: number;
  warmUpSeconds: number;
}

/** From the inference thread to the stitcher's. Logits are moved, not copied. */
export interface ToStitcher {
  image: ImageLogits;
  /** Of all its views. */
  windows: number;
  /** Of the graph since the start, and its spans since the last image. */
  graph: { seconds: number; batches: number; spans: Span[] };
}

/** How many windows more are no longer in flight. */
export type WindowsStitched = number;

/** From the stitcher to whoever opened both threads. */
export interface Labelled {
  id: string;
  labels: Labels;
  phases: InferencePhases;
}

/** Seconds that the two threads have spent since their start. */
export interface InferencePhases {
  /** Backbone and head. */
  graph: number;
  /** Averaging, resizing, argmax. */
  stitch: number;
  /** Of these, when both were at work. */
  both: number;
  /** Batches run, padded slots among them. */
  batches: number;
}
