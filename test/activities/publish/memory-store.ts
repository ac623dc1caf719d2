import { NotFound } from '../../../core/config/failures.ts';
import type { Store } from '../../../core/store.ts';

/** A store in memory for unit tests, which remembers the order of its writes. */
export function memoryStore(initial: Record<string, Uint8Array> = {}) {
  const objects = new Map(Object.entries(initial));
  const writes: string[] = [];
  const get = (uri: string) => {
    const body = objects.get(uri);
    if (!body) throw new NotFound('object', uri);
    return Buffer.from(body);
  };
  const put = (uri: string, body: Uint8Array) => {
    writes.push(uri);
    objects.set(uri, body);
  };
  const store: Store = {
    head: async (uri) => ({ sizeBytes: get(uri).length, etag: '"memory"' }),
    read: async (uri, range) => {
      const body = get(uri);
      return range ? body.subarray(range.offset, range.offset + range.length) : body;
    },
    write: async (uri, body) => put(uri, body),
    writeOnce: async (uri, body) => {
      if (objects.has(uri)) return 'exists';
      put(uri, body);
      return 'written';
    },
    upload: async () => {
      throw new Error('publish uploads no files');
    },
    list: async (prefix) =>
      [...objects]
        .filter(([uri]) => uri.startsWith(prefix))
        .map(([uri, body]) => ({ uri, sizeBytes: body.length })),
  };
  return { store, objects, writes, text: (uri: string) => get(uri).toString() };
}
