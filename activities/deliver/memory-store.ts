import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { BadData, NotFound } from '../../core/config/failures.ts';
import type { StreamingStore } from './ranged-read.ts';

/** A store within this process: for comparisons and unit tests, where a server would only be in the way. */
export function memoryStore(objects = new Map<string, Buffer>()): StreamingStore {
  const get = (uri: string): Buffer => {
    const bytes = objects.get(uri);
    if (!bytes) throw new NotFound('object', uri);
    return bytes;
  };
  const store: StreamingStore = {
    async head(uri) {
      const bytes = get(uri);
      return { sizeBytes: bytes.length, etag: etagOf(bytes) };
    },
    async read(uri, range) {
      const bytes = get(uri);
      if (!range) return bytes;
      if (range.offset + range.length > bytes.length)
        throw new BadData(`${uri}: ${bytes.length} bytes, too few for ${range.length} at ${range.offset}`);
      return bytes.subarray(range.offset, range.offset + range.length);
    },
    async stream(uri, range, { etag }) {
      if (etag !== undefined && etag !== etagOf(get(uri)))
        throw new BadData(`${uri}: was replaced while it was being fetched`);
      return Readable.from([await store.read(uri, range)]);
    },
    async write(uri, body) {
      objects.set(uri, Buffer.from(body));
    },
    async writeOnce(uri, body) {
      if (objects.has(uri)) return 'exists';
      objects.set(uri, Buffer.from(body));
      return 'written';
    },
    async upload(uri, source, onProgress) {
      const bytes = typeof source === 'string' ? await readFile(source) : await buffer(source);
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
    async checkWrites() {},
  };
  return store;
}

function etagOf(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}
