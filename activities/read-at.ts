import { open } from 'node:fs/promises';
import type { ReadAt } from '../core/store.ts';

/** Reads ranges of a file, each by itself: nothing stays open. Behind the file's end there is nothing. */
export function fileReader(file: string): ReadAt {
  return async (offset, length) => {
    await using handle = await open(file);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };
}
