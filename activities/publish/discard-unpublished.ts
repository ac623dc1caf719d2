import { joinUri, type Store } from '../../core/store.ts';

/**
 * Removes what the workers of a run that failed have left under its prefix: a failed run publishes nothing.
 * A prefix that holds results.json is left alone.
 */
export async function discardUnpublished(store: Store, prefix: string): Promise<void> {
  const objects = await store.list(`${prefix}/`);
  if (objects.some(({ uri }) => uri === joinUri(prefix, 'results.json'))) return;
  for (const { uri } of objects) await store.remove(uri);
}
