import type { ShardTask } from '../../core/config/eval.ts';
import { TypedFailure } from '../../core/config/failures.ts';
import { classesOf } from '../../core/config/model-kinds.ts';
import { writeShardMatrices } from '../../core/image-matrices-objects.ts';
import type { ImageCounts } from '../../core/metric/confusion-matrix.ts';
import { stackImages } from '../../core/metric/image-matrices.ts';
import type { Store } from '../../core/store.ts';

/**
 * Keeps each image's matrix of a shard for the results. A store that refuses costs a warning: no number of the run
 * depends on them.
 *
 * @param ids the shard's images, in the manifest's order
 */
export async function writeImageMatrices(
  store: Store,
  { run: { prefix, config }, range: { shard } }: ShardTask,
  ids: string[],
  counted: Map<string, ImageCounts>,
): Promise<{ imageMatrices?: string; warnings: string[] }> {
  const rows = ids.map((id) => ({ id, counted: counted.get(id)! }));
  const matrices = stackImages(classesOf(config.model), rows);
  try {
    return { imageMatrices: await writeShardMatrices(store, { prefix, shard }, matrices), warnings: [] };
  } catch (error) {
    if (!(error instanceof TypedFailure) || error.failureClass !== 'BadInput') throw error;
    return { warnings: [`per-image matrices are left out: ${error.message}`] };
  }
}
