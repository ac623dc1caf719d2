import { createPublish } from '../../activities/publish/publish-results.ts';
import type { Results } from '../../core/config/results.ts';
import { type ConfusionMatrix, total } from '../../core/metric/confusion-matrix.ts';
import { encodeMatrix } from '../../core/metric/matrix-codec.ts';
import { readResults } from '../../core/read-results.ts';
import { memoryStore } from '../activities/publish/memory-store.ts';
import { FINISHED_MS, publishInput } from '../activities/publish/publish-input.ts';
import { sha256 } from '../builders.ts';

/** The published results of a run with this matrix. */
export async function resultsOf(
  workflowId: string,
  matrix: ConfusionMatrix,
  images = 2000,
): Promise<Results> {
  const { store } = memoryStore();
  const input = publishInput();
  const { resultsUri } = await createPublish(store, () => FINISHED_MS).publishResults({
    ...input,
    matrix: encodeMatrix(matrix),
    run: { ...input.run, workflowId },
    coverage: {
      ...input.coverage,
      images,
      labelledPixels: total(matrix),
      predictionsSha256: sha256(Buffer.from(encodeMatrix(matrix))),
    },
  });
  return readResults(store, resultsUri);
}
