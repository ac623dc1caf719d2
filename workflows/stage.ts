import type { StageDatasetInput, Staged, StageWeightsInput } from '../core/config/stage.ts';
import { stage } from './activities.ts';
import { asRunFailure } from './failure.ts';

/** Uploads a split of a dataset with its manifest; safe to repeat. */
export async function StageDataset(input: StageDatasetInput): Promise<Staged> {
  try {
    return await stage.stageDataset(input);
  } catch (error) {
    throw asRunFailure(error);
  }
}

/** Uploads a checkpoint with its manifest; safe to repeat. */
export async function StageWeights(input: StageWeightsInput): Promise<Staged> {
  try {
    return await stage.stageWeights(input);
  } catch (error) {
    throw asRunFailure(error);
  }
}
