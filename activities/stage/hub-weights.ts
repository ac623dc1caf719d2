import { rm } from 'node:fs/promises';
import { BadInput } from '../../core/config/failures.ts';
import { openFile } from './file-weights.ts';
import type { WeightsContext, WeightsSource } from './weights-source.ts';

/**
 * A checkpoint on the Hugging Face Hub, at the commit that its revision is now. It is downloaded when it is opened, by
 * parts that survive a kill; shards become one file.
 *
 * @throws as `Hub.open`
 */
export async function hubWeights(source: string, context: WeightsContext): Promise<WeightsSource> {
  const { hub, store, signal } = context;
  if (!hub)
    throw new BadInput(`${source}: nothing is read from the Hub here; download it and stage the file`);
  const checkpoint = await hub.open(source, signal);
  const { uri, sha256: etag, sizeBytes } = checkpoint.object;
  const record = { uri, etag, sizeBytes };
  return {
    record,
    sizeBytes,
    isDownloaded: true,
    open: async (onBytes) => {
      const file = await hub.fetch(checkpoint, { signal, onProgress: onBytes });
      return {
        ...(await openFile(file, uri, store)),
        index: async () => checkpoint.index,
        record,
        async discard() {
          await rm(file, { force: true });
          await rm(`${file}.ok`, { force: true });
        },
      };
    },
  };
}
