import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { BadData, NotFound } from '../../core/config/failures.ts';
import type { Store } from '../../core/store.ts';

/** A store within this process: for comparisons and unit tests, where a server would only be in the way. */
export function memoryStore(objects = new Map<string, Buffer>()): Store {
  const get = (uri: string): Buffer => {
    const bytes = objects.get(uri);
    if (!bytes) throw new NotFound('object', uri);
    return bytes;
  };
  const store: Store = {
    async head(uri) {
      const bytes = get(uri);
      return { sizeBytes: bytes.length, etag: createHash('md5').update(bytes).digest('hex') };
    },
    async read(uri, range) {
      const bytes = get(uri);
      if (!range) return bytes;
      if (range.offset + range.length > bytes.length)
        throw new BadData(`${uri}: ${bytes.length} bytes, too few for ${range.length} at ${range.offset}`);
      return bytes.subarray(range.offset, range.offset + range.length);
    },
    async write(uri, body) {
      objects.set(uri, Buffer.from(body));
    },
    async writeOnce(uri, body) {
      if (objects.has(uri)) return 'exists';
      objects.set(uri, Buffer.from(body));
      return 'written';
    },
    async upload(uri, file, onProgress) {
      const bytes = await readFile(file);
      objects.set(uri, bytes);
      onProgress?.(bytes.length);
    },
    async remove(uri) {
      objects.delete(uri);
    },
    async list(prefix) {
      return [...objects]
        .filter(([uri]) => uri.startsWith(prefix))
        .map(([uri, bytes]) => ({ uri, sizeBytes: bytes.length }))
        .sort((a, b) => (a.uri < b.uri ? -1 : 1));
    },
  };
  return store;
}
