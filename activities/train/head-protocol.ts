import type { Config } from '../../core/config/config.ts';
import type { TrainConfig } from '../../core/config/train.ts';
import type { AdamWFactors } from '../../core/onnx/adamw.ts';
import type { ThreadFailure } from '../onnx/thread-failure.ts';

/** What the training thread is started with. */
export interface HeadThreadOptions {
  config: { model: Config['model']; run: Pick<Config['run'], 'device'>; train: TrainConfig };
  threads: number;
}

/** A parameter or running statistic on its way; moments where it is a parameter. */
export interface MovingTensor {
  name: string;
  shape: number[];
  data: Float32Array<ArrayBuffer>;
  first?: Float32Array<ArrayBuffer>;
  second?: Float32Array<ArrayBuffer>;
}

/** What is moved with them. */
export function buffersOf(tensors: MovingTensor[]): ArrayBuffer[] {
  return tensors.flatMap(({ data, first, second }) =>
    [data, first, second].flatMap((array) => (array ? [array.buffer] : [])),
  );
}

/** To the thread. All buffers are moved; the tensors come back. */
export type ToHead =
  | {
      type: 'step';
      tensors: MovingTensor[];
      features: Float32Array<ArrayBuffer>[];
      labels: Uint8Array<ArrayBuffer>;
      /** Of dropout, `[B, channels]`, by the name of the session's input. */
      kept: Record<string, Float32Array<ArrayBuffer>>;
      /** By parameter. */
      factors: Record<string, AdamWFactors>;
    }
  | { type: 'close' };

/** Sums over a step's pixels, by a head's name in a log. */
export type HeadSums = Record<string, { loss: number; correct: number }>;

/** From the thread. A step that diverged has changed nothing. */
export type FromHead =
  | { type: 'ready' }
  | {
      type: 'stepped';
      tensors: MovingTensor[];
      sums: HeadSums;
      isSound: boolean;
      seconds: { graph: number; optimizer: number };
    }
  | ThreadFailure;
