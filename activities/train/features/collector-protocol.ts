import type { ThreadFailure } from '../../onnx/thread-failure.ts';
import type { FeatureBatch, Group } from './feature-window.ts';
import type { ComputedCrop } from './group-work.ts';

/** To the thread. Crops are moved, not copied; groups are answered in the order of their asking. */
export type ToCollector =
  | { type: 'next' }
  | { type: 'computed'; crops: ComputedCrop[] }
  /** The group that was asked for could not be computed. */
  | ThreadFailure
  | { type: 'close' };

/** From the thread. A batch is moved, and answers a `next`. */
export type FromCollector =
  | { type: 'ready'; address: string | null }
  | { type: 'workers'; workers: number }
  | { type: 'compute'; group: Group }
  | { type: 'batch'; batch: FeatureBatch }
  | ThreadFailure;
