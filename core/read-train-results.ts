import { listedCost } from './config/listing.ts';
import { parseAs } from './config/parse.ts';
import { parseJson } from './config/parse-json.ts';
import { type TrainResults, TrainResultsSchema } from './config/train-results.ts';
import type { TrainResult } from './config/train-run.ts';
import type { Store } from './store.ts';

/** A training's published results. @throws NotFound if there are none, BadData or BadInput if they are damaged */
export async function readTrainResults(store: Store, uri: string): Promise<TrainResults> {
  return parseAs(TrainResultsSchema, parseJson(await store.read(uri), uri), uri);
}

/** What `Train` returns of its results. */
export function trainResult(
  { steps, best, evaluations, checkpoints, artifacts, cost }: TrainResults,
  resultsUri: string,
): TrainResult {
  return {
    steps,
    best,
    last: evaluations.at(-1)!,
    head: checkpoints.best.head.uri,
    logUri: artifacts.log,
    resultsUri,
    cost: listedCost(cost),
  };
}
