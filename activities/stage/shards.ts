import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { CheckpointIndex } from '../../core/checkpoint/checkpoint-index.ts';
import { type MergedShards, mergeShards, piecesOf } from '../../core/checkpoint/merge-shards.ts';
import { openCheckpoint } from '../../core/checkpoint/open-checkpoint.ts';
import { parseShardIndex } from '../../core/checkpoint/published-files.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { Store } from '../../core/store.ts';
import { fileReader } from '../read-at.ts';
import type { OpenWeights } from './weights-source.ts';

const CHUNK_BYTES = 4 << 20;
/** An index has a line a tensor. */
const MAX_INDEX_BYTES = 100_000_000;

/**
 * Shards on this machine as the one safetensors file that they become.
 *
 * @param indexFile `model.safetensors.index.json`, or that of torch's shards
 * @param pathOf where a shard lies, by its name in the index
 * @throws BadInput if a shard is missing, BadData if the shards are damaged or contradict the index
 */
export async function openShards(
  indexFile: string,
  pathOf: (file: string) => string,
  store: Store,
): Promise<OpenWeights> {
  const { size } = await stat(indexFile);
  if (size > MAX_INDEX_BYTES)
    throw new BadInput(
      `${indexFile}: has ${size} bytes, more than the ${MAX_INDEX_BYTES} of an index of shards`,
    );
  const fileOf = parseShardIndex(indexFile, await readFile(indexFile));
  const shards = new Map<string, CheckpointIndex>();
  for (const file of new Set(fileOf.values())) {
    const info = await stat(pathOf(file)).catch(() => null);
    if (!info?.isFile())
      throw new BadInput(`${indexFile}: names ${file}, which is not there: copy all of the files`);
    shards.set(file, await openCheckpoint(pathOf(file), info.size, fileReader(pathOf(file))));
  }
  const merged = mergeShards(indexFile, fileOf, shards);
  return {
    name: indexFile,
    sizeBytes: merged.sizeBytes,
    record: null,
    index: async () => merged.index,
    chunks: (signal) => chunksOf(merged, pathOf, signal),
    putTo: (destination, onBytes) =>
      store.upload(destination, chunksOf(merged, pathOf, new AbortController().signal), onBytes),
    async discard() {},
    async [Symbol.asyncDispose]() {},
  };
}

async function* chunksOf(
  merged: MergedShards,
  pathOf: (file: string) => string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const piece of piecesOf(merged, { offset: 0, length: merged.sizeBytes })) {
    if (piece instanceof Uint8Array) yield piece;
    else {
      const { file, offset: start, length } = piece;
      const range = { start, end: start + length - 1, highWaterMark: CHUNK_BYTES, signal };
      yield* createReadStream(pathOf(file), range);
    }
  }
}
