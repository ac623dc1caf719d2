import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { cachedObject, markVerified, removeMarked } from '../cache-mark.ts';
import type { WrittenFile } from './checkpoint-files.ts';

/**
 * Moves the model of a checkpoint that is complete in the store into the node's cache, so that its evaluation fetches
 * nothing here; the one before it is removed. On another disk, or in a cache that is full or read-only, it is left alone.
 */
export function modelKeeper(cacheFolder: string): (model: WrittenFile) => Promise<void> {
  let last: string | null = null;
  return async ({ file, manifest }) => {
    const cached = cachedObject(cacheFolder, manifest.file);
    try {
      await mkdir(path.dirname(cached), { recursive: true });
      await rename(file, cached);
      // Its bytes were hashed as they were written.
      await markVerified(cached);
      if (last && last !== cached) await removeMarked(last);
      last = cached;
    } catch {
      // Then the evaluation fetches it.
    }
  };
}
