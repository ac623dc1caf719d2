import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { BadInput } from '../../core/config/failures.ts';
import type { Store } from '../../core/store.ts';
import type { OpenWeights, WeightsSource } from './weights-source.ts';

/** Few calls for a file of 12 GB, and little memory. */
const CHUNK_BYTES = 4 << 20;

/** A checkpoint in a file of this machine. @throws BadInput if there is no such file */
export async function fileWeights(file: string, store: Store): Promise<WeightsSource> {
  const info = await stat(file).catch(() => {
    throw new BadInput(`${file}: no such file`);
  });
  if (!info.isFile()) throw new BadInput(`${file}: no file; expected a .pth file, an s3:// object or a URL`);
  return { record: null, sizeBytes: info.size, isDownloaded: false, open: () => openFile(file, file, store) };
}

/** @param name what messages call it */
export async function openFile(file: string, name: string, store: Store): Promise<OpenWeights> {
  const handle = await open(file);
  const { size } = await handle.stat();
  return {
    name,
    sizeBytes: size,
    record: null,
    readAt: async (offset, length) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
    chunks: (signal) => createReadStream(file, { highWaterMark: CHUNK_BYTES, signal }),
    putTo: (destination, onBytes) => store.upload(destination, file, onBytes),
    async discard() {},
    [Symbol.asyncDispose]: () => handle.close(),
  };
}
