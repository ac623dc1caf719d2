import { memoryStore as plainStore } from '../../../activities/deliver/memory-store.ts';
import type { Store } from '../../../core/store.ts';

/** A store in memory which remembers the order of its writes. */
export function memoryStore(initial: Record<string, Uint8Array> = {}) {
  const objects = new Map(Object.entries(initial).map(([uri, body]) => [uri, Buffer.from(body)]));
  const writes: string[] = [];
  const plain = plainStore(objects);
  const store: Store = {
    ...plain,
    async write(uri, body) {
      writes.push(uri);
      await plain.write(uri, body);
    },
    async writeOnce(uri, body) {
      const outcome = await plain.writeOnce(uri, body);
      if (outcome === 'written') writes.push(uri);
      return outcome;
    },
  };
  return { store, objects, writes, text: (uri: string) => String(objects.get(uri)) };
}
