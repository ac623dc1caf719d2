import type { Config } from '../../core/config/config.ts';
import type { VitModel } from '../../core/config/model-kinds.ts';
import type { TrainConfig } from '../../core/config/train.ts';
import type { AdamWFactors } from '../../core/onnx/adamw.ts';

/** Start options of the training thread. */
export interface HeadThreadOptions {
  config: { model: VitModel; run: Pick<Config['run'], 'device'>; train: TrainConfig };
  threads: number;
}

/** A parameter or running statistic that is moved between threads; a parameter has moments. */
export interface MovingTensor {
  name: string;
  shape: number[];
  data: Float32Array<ArrayBuffer>;
  first?: Float32Array<ArrayBuffer>;
  second?: Float32Array<ArrayBuffer>;
}

/** The buffers to transfer with these tensors. */
export function buffersOf(tensors: MovingTensor[]): ArrayBuffer[] {
  return tensors.flatMap(({ data, first, second }) =>
    [data, first, second].flatMap((array) => (array ? [array.buffer] : [])),
  );
}

/** Request for one step. All buffers are transferred; the answer returns the tensors. */
export interface HeadStep {
  tensors: MovingTensor[];
  features: Float32Array<ArrayBuffer>[];
  labels: Uint8Array<ArrayBuffer>;
  /** Dropout masks `[B, channels]`, by the name of the session's input. */
  dropoutMasks: Record<string, Float32Array<ArrayBuffer>>;
  /** By parameter. */
  factors: Record<string, AdamWFactors>;
}

/** Sums over a step's pixels, by a head's name in a log. */
export type HeadSums = Record<string, { loss: number; correct: number }>;

/** Result of one step. A step that diverged has changed nothing. */
export interface HeadStepped {
  tensors: MovingTensor[];
  sums: HeadSums;
  isSound: boolean;
  seconds: { graph: number; optimizer: number };
}

export interface HeadExchange {
  data: HeadThreadOptions;
  ask: HeadStep;
  answer: HeadStepped;
}
