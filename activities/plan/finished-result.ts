import { isDeepStrictEqual } from 'node:util';
import type { EvalResult, EvalRun } from '../../core/config/eval.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { Results } from '../../core/config/results.ts';
import { readResults } from '../../core/read-results.ts';
import { joinUri, type Store, unlessAbsent } from '../../core/store.ts';

/**
 * The results of an earlier run of the same workflow id, if there are any.
 *
 * @throws BadInput if they are of other inputs: nothing published is ever overwritten; or without the bucket
 */
export async function finishedResult(store: Store, run: EvalRun): Promise<EvalResult | null> {
  const uri = joinUri(run.prefix, 'results.json');
  const results = await unlessAbsent(readResults(store, uri));
  if (!results) return null;
  if (!sameInputs(results, run))
    throw new BadInput(
      `${uri}: already holds the results of other inputs. Choose another workflow id, or set "recompute": true ` +
        'to publish beside them',
    );
  return evalResult(results, uri);
}

function sameInputs({ run, inputs }: Results, planned: EvalRun): boolean {
  return (
    isDeepStrictEqual(run.config, planned.config) &&
    inputs.weights.sha256 === planned.weights.sha256 &&
    inputs.head?.sha256 === planned.head?.sha256 &&
    inputs.dataset.sha256 === planned.dataset.sha256
  );
}

function evalResult({ metrics, coverage, artifacts }: Results, resultsUri: string): EvalResult {
  return { ...metrics, images: coverage.images, resultsUri, reportUri: artifacts.report };
}
