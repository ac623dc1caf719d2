import type { CollectorSettings } from './feature-collector.ts';
import type { FeatureBatch, Group } from './feature-window.ts';
import type { ComputedCrop } from './group-work.ts';

export interface CollectorExchange {
  data: CollectorSettings;
  /** Where workers bring features to. */
  ready: string | null;
  /** The next batch. */
  ask: null;
  answer: FeatureBatch;
  /** Workers that are there now. */
  news: number;
  /** A group for the trainer's own backbone. */
  need: Group;
  supply: ComputedCrop[];
}
