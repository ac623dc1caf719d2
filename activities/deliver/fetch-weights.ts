import type { Config } from '../../core/config/config.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { WeightsManifestSchema } from '../../core/config/manifests.ts';
import { readManifest } from '../../core/read-manifest.ts';
import type { Store } from '../../core/store.ts';
import { neededPart } from './needed-part.ts';
import { type FetchOptions, fetchToCache } from './object-cache.ts';

/**
 * Brings of a staged checkpoint what a model needs into the node's cache, as `fetchToCache`: blocks behind the last
 * tap and an auxiliary head are not fetched, where the checkpoint's manifest has the digests that this takes.
 *
 * @throws as `fetchToCache`, and BadInput if there is no manifest beside the object
 */
export async function fetchWeights(
  store: Store,
  folder: string,
  object: StagedObject,
  model: Config['model'],
  options: Omit<FetchOptions, 'only'> = {},
): Promise<string> {
  const manifestUri = `${object.uri}.manifest.json`;
  const { manifest } = await readManifest(store, manifestUri, WeightsManifestSchema, 'Stage it again');
  // One of another object, staged over it since the plan: it tells nothing about this one.
  const only = manifest.file.sha256 === object.sha256 ? neededPart(manifest, model) : null;
  return fetchToCache(store, folder, object, only ? { ...options, only } : options);
}
