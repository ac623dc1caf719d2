import type { CollectorSettings } from './feature-collector.ts';
import type { FeatureBatch, Group } from './feature-window.ts';
import type { ComputedCrop } from './group-work.ts';

export interface CollectorExchange {
  data: CollectorSettings;
  /** Address that workers send features to. */
  ready: string | null;
  /** The next batch. */
  ask: null;
  answer: FeatureBatch;
  /** Number of connected workers. */
  news: number;
  /** A group for the trainer's own backbone. */
  need: Group;
  supply: ComputedCrop[];
}
