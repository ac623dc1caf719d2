import type { StatePart, StateTensor } from '../../core/config/train.ts';
import type { ChainConfig } from '../../core/model/chain/chain-plan.ts';
import type { ChainStep, ChainStepped } from './chain/chain.ts';

/** Start options of the training thread. */
export interface TrainerThreadOptions {
  config: ChainConfig;
  threads: number;
  /** Tensors that graphs are built with, and nothing changes. */
  constants?: Map<string, Float32Array>;
}

/** Request to the training thread. All buffers are transferred. */
export type TrainerRequest =
  | { kind: 'step'; step: ChainStep }
  | { kind: 'put'; tensor: StateTensor }
  | { kind: 'read'; name: string; part: StatePart };

export type TrainerAnswer =
  | { kind: 'stepped'; stepped: ChainStepped }
  | { kind: 'put' }
  | { kind: 'read'; data: Float32Array<ArrayBuffer> };

export interface TrainerExchange {
  data: TrainerThreadOptions;
  ask: TrainerRequest;
  answer: TrainerAnswer;
}
