import { differences, differencesText } from '../../core/config/differences.ts';
import type { EvalResult, EvalRun } from '../../core/config/eval.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { Results } from '../../core/config/results.ts';
import { externalFilesOf } from '../../core/model/own-onnx.ts';
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
  const { inputs } = results;
  const asked = askedOf({ ...run, externalFiles: externalFilesOf(run.ownModel) });
  const others = differences(askedOf({ ...inputs, config: results.run.config }), asked);
  if (others.length > 0)
    throw new BadInput(
      `${uri}: already holds the results of other inputs: ${differencesText(others)}. ` +
        'Choose another workflow id, or set "recompute": true to publish beside them',
    );
  return evalResult(results, uri);
}

/** What a result depends on. */
function askedOf({ config, weights, head, dataset, externalFiles }: Pick<EvalRun, 'config'> & AskedObjects) {
  return {
    config: JSON.parse(JSON.stringify(config)),
    weights: weights.sha256,
    head: head?.sha256,
    dataset: dataset.sha256,
    externalFiles: externalFiles?.map(({ uri, etag }) => `${uri} ${etag}`),
  };
}

type AskedObjects = Record<'weights' | 'dataset', { sha256: string }> & {
  head: { sha256: string } | null;
  externalFiles?: { uri: string; etag: string }[] | undefined;
};

function evalResult({ metrics, partial, coverage, artifacts }: Results, resultsUri: string): EvalResult {
  return {
    ...metrics,
    images: coverage.images,
    resultsUri,
    reportUri: artifacts.report,
    ...(partial
      ? {
          partial: {
            images: partial.images,
            ofImages: partial.ofImages,
            metrics: partial.metrics,
            reason: partial.reason,
          },
        }
      : {}),
    cached: true,
  };
}
