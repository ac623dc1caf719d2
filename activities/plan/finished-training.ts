import { differences, differencesText } from '../../core/config/differences.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { TrainableConfig, TrainResult, TrainRun } from '../../core/config/train-run.ts';
import { readTrainResults, trainResult } from '../../core/read-train-results.ts';
import { joinUri, type Store, unlessAbsent } from '../../core/store.ts';
import { recipeOf } from '../../core/train/recipe.ts';

/**
 * The results of an earlier run of the same workflow id, if it has finished.
 *
 * @throws BadInput if they are of another training: nothing published is ever overwritten
 */
export async function finishedTraining(
  store: Store,
  run: Omit<TrainRun, 'start'>,
): Promise<TrainResult | null> {
  const uri = joinUri(run.prefix, 'results.json');
  const results = await unlessAbsent(readTrainResults(store, uri));
  if (!results) return null;
  const { inputs } = results;
  const config = results.run.config as TrainableConfig;
  const others = differences(recipeOf({ ...inputs, config }), recipeOf(run));
  if (others.length > 0)
    throw new BadInput(
      `${uri}: already holds the results of another training: ${differencesText(others)}. ` +
        'Choose another workflow id, or set "recompute": true to train beside it',
    );
  return { ...trainResult(results, uri), cached: true };
}
