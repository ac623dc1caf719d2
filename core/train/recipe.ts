import { z } from 'zod';
import type { TrainableConfig } from '../config/train-run.ts';

/**
 * All that decides what a training computes. Not in it: how often it is logged, saved and evaluated, and on how many
 * workers; these may be other ones when it goes on.
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
  const { mean, std } = config.pipeline;
  const { reduceZeroLabel, ignoreIndex } = config.dataset;
  return RecipeSchema.parse(
    // What is undefined is absent, as it is in the checkpoint's JSON.
    JSON.parse(
      JSON.stringify({
        model,
        train,
        pipeline: { mean, std },
        dataset: { reduceZeroLabel, ignoreIndex },
        run: { precision: config.run.precision },
        weights: { sha256: weights.sha256 },
        images: { sha256: dataset.sha256 },
      }),
    ),
  );
}
