import type { Config } from '../../core/config/config.ts';
import type { VitModel } from '../../core/config/model-kinds.ts';
import type { TrainConfig } from '../../core/config/train.ts';
import type { AdamWFactors } from '../../core/onnx/adamw.ts';

/** What the training thread is started with. */
export interface HeadThreadOptions {
  config: { model: VitModel; run: Pick<Config['run'], 'device'>; train: TrainConfig };
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

/** A step to be done. All buffers are moved; the tensors come back. */
export interface HeadStep {
  tensors: MovingTensor[];
  features: Float32Array<ArrayBuffer>[];
  labels: Uint8Array<ArrayBuffer>;
  /** Of dropout, `[B, channels]`, by the name of the session's input. */
  kept: Record<string, Float32Array<ArrayBuffer>>;
  /** By parameter. */
  factors: Record<string, AdamWFactors>;
}

/** Sums over a step's pixels, by a head's name in a log. */
export type HeadSums = Record<string, { loss: number; correct: number }>;

/** A step that is done; one that diverged has changed nothing. */
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
