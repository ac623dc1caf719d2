import { z } from 'zod';
import type { TrainableConfig } from '../config/train-run.ts';

/**
 * Everything that determines a training's results. A resumed training may change the rest: the intervals of logging,
 * checkpoints and evaluations, and the number of workers.
 */
export const RecipeSchema = z.record(z.string(), z.json());
export type Recipe = z.infer<typeof RecipeSchema>;

export function recipeOf({
  config,
  weights,
  dataset,
}: {
  config: TrainableConfig;
  weights: { sha256: string };
  dataset: { sha256: string };
}): Recipe {
  const { test: _, ...model } = config.model;
  const { logEvery: _l, checkpointEvery: _c, evaluateEvery: _e, ...train } = config.train;
  const { trainable, dropPathRate } = train;
  const { mean, std } = config.pipeline;
  const { reduceZeroLabel, ignoreIndex } = config.dataset;
  return RecipeSchema.parse(
    // Undefined fields are removed, as in the checkpoint's JSON.
    JSON.parse(
      JSON.stringify({
        model,
        train: {
          ...train,
          // Checkpoints of earlier versions, which trained heads only, don't have these fields.
          trainable: trainable === 'head' ? undefined : trainable,
          dropPathRate: dropPathRate === 0 ? undefined : dropPathRate,
        },
        pipeline: { mean, std },
        dataset: { reduceZeroLabel, ignoreIndex },
        run: { precision: config.run.precision },
        weights: { sha256: weights.sha256 },
        images: { sha256: dataset.sha256 },
      }),
    ),
  );
}
