import { shardFolder } from '../../core/image-matrices-objects.ts';
import { folderOf, joinUri, type Store } from '../../core/store.ts';

/**
 * Removes what the workers of a run that failed have left under its prefix: a failed run publishes nothing.
 * What its workers said last stays, to be read; so does every folder that holds results.json, such as that of an
 * earlier run of this workflow id that computed again; but not what shards had left to be published.
 */
export async function discardUnpublished(store: Store, prefix: string): Promise<void> {
  const objects = await store.list(`${prefix}/`);
  const kept = objects.filter(({ uri }) => uri.endsWith('/results.json')).map(({ uri }) => folderOf(uri));
  const isKept = (uri: string) =>
    [...kept, joinUri(prefix, 'logs')].some((folder) => uri.startsWith(`${folder}/`));
  const isPart = (uri: string) => uri.startsWith(`${shardFolder(prefix)}/`);
  for (const { uri } of objects) if (isPart(uri) || !isKept(uri)) await store.remove(uri);
}
