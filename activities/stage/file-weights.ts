import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { openCheckpoint } from '../../core/checkpoint/open-checkpoint.ts';
import { chooseWeights, isShardIndex } from '../../core/checkpoint/published-files.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { Store } from '../../core/store.ts';
import { openShards } from './shards.ts';
import type { OpenWeights, WeightsSource } from './weights-source.ts';

/** Few calls for a file of 12 GB, and little memory. */
const CHUNK_BYTES = 4 << 20;

/**
 * A checkpoint of this machine: a file, an index of shards beside it, or the folder of a model.
 *
 * @throws BadInput if there is none
 */
export async function fileWeights(source: string, store: Store): Promise<WeightsSource> {
  const info = await stat(source).catch(() => {
    throw new BadInput(`${source}: no such file`);
  });
  if (info.isDirectory())
    return fileWeights(path.join(source, chooseWeights(await readdir(source), source)), store);
  if (!info.isFile())
    throw new BadInput(`${source}: no file; expected a .safetensors or .pth file, or a folder with one`);
  if (isShardIndex(source)) {
    const shards = await openShards(source, (file) => path.join(path.dirname(source), file), store);
    return { record: null, sizeBytes: shards.sizeBytes, isDownloaded: false, open: async () => shards };
  }
  return {
    record: null,
    sizeBytes: info.size,
    isDownloaded: false,
    open: () => openFile(source, source, store),
  };
}

/** @param name what messages call it */
export async function openFile(file: string, name: string, store: Store): Promise<OpenWeights> {
  const handle = await open(file);
  const { size } = await handle.stat();
  return {
    name,
    sizeBytes: size,
    record: null,
    index: () =>
      openCheckpoint(name, size, async (offset, length) => {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
        return buffer.subarray(0, bytesRead);
      }),
    chunks: (signal) => createReadStream(file, { highWaterMark: CHUNK_BYTES, signal }),
    putTo: (destination, onBytes) => store.upload(destination, file, onBytes),
    async discard() {},
    [Symbol.asyncDispose]: () => handle.close(),
  };
}
