import { joinUri, type Store } from '../../core/store.ts';

/**
 * Removes what the workers of a run that failed have left under its prefix: a failed run publishes nothing.
 * What its workers said last stays, to be read. A prefix that holds results.json is left alone.
 */
export async function discardUnpublished(store: Store, prefix: string): Promise<void> {
  const objects = await store.list(`${prefix}/`);
  if (objects.some(({ uri }) => uri === joinUri(prefix, 'results.json'))) return;
  const logs = `${joinUri(prefix, 'logs')}/`;
  for (const { uri } of objects) if (!uri.startsWith(logs)) await store.remove(uri);
}
