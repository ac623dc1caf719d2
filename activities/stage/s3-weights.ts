import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openCheckpoint } from '../../core/checkpoint/open-checkpoint.ts';
import { BadInput, Unavailable } from '../../core/config/failures.ts';
import type { WeightsSourceRecord } from '../../core/config/manifests.ts';
import type { Store } from '../../core/store.ts';
import type { WeightsContext, WeightsSource } from './weights-source.ts';

const CHUNK_BYTES = 16 << 20;
/** Requests under way while bytes are hashed: one alone would leave the line idle half of the time. */
const AHEAD = 3;

/** A checkpoint that lies in the object store already. @throws BadInput if it does not */
export async function s3Weights(uri: string, context: WeightsContext): Promise<WeightsSource> {
  const { store } = context;
  const { sizeBytes, etag } = await store.head(uri);
  const record = { uri, etag, sizeBytes };
  return {
    record,
    sizeBytes,
    isDownloaded: false,
    open: async () => ({
      name: uri,
      sizeBytes,
      record,
      index: () => openCheckpoint(uri, sizeBytes, (offset, length) => store.read(uri, { offset, length })),
      chunks: (signal) => chunksOf(store, record, signal),
      putTo: (destination, onBytes) => copyTo(destination, record, context, onBytes),
      async discard() {},
      async [Symbol.asyncDispose]() {},
    }),
  };
}

async function copyTo(
  destination: string,
  record: WeightsSourceRecord,
  { store, copyObject, scratchFolder, signal }: WeightsContext,
  onBytes: (bytes: number) => void,
): Promise<void> {
  if (destination === record.uri) return;
  if ((await copyObject?.(record, destination, { signal, onBytes })) === 'copied') return;
  if (!scratchFolder)
    throw new BadInput(
      `${record.uri}: the store cannot copy it to ${destination}; download it and stage the file`,
    );
  const file = path.join(scratchFolder, `${randomUUID()}.copy`);
  await mkdir(scratchFolder, { recursive: true });
  try {
    await writeFile(file, chunksOf(store, record, signal), { mode: 0o600 });
    if ((await store.head(record.uri)).etag !== record.etag)
      throw new Unavailable(`${record.uri}: changed while it was being staged`);
    await store.upload(destination, file, onBytes);
  } finally {
    await rm(file, { force: true });
  }
}

/** All bytes of an object in order, read ahead. */
async function* chunksOf(
  store: Store,
  { uri, sizeBytes }: WeightsSourceRecord,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const reading: Promise<Buffer>[] = [];
  for (let next = 0; next < sizeBytes || reading.length > 0; ) {
    for (; next < sizeBytes && reading.length <= AHEAD; next += CHUNK_BYTES) {
      const part = store.read(uri, { offset: next, length: Math.min(CHUNK_BYTES, sizeBytes - next) });
      // Its failure is seen when its turn comes; until then it must not count as unhandled.
      part.catch(() => {});
      reading.push(part);
    }
    signal.throwIfAborted();
    yield (await reading.shift())!;
  }
}
