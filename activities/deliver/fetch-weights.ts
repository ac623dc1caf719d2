import { type CheckpointIndex, indexOfManifest } from '../../core/checkpoint/checkpoint-index.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { WeightsManifestSchema } from '../../core/config/manifests.ts';
import type { VitModel } from '../../core/config/model-kinds.ts';
import { readManifest } from '../../core/read-manifest.ts';
import type { Store } from '../../core/store.ts';
import { neededPart } from './needed-part.ts';
import { type FetchOptions, fetchToCache } from './object-cache.ts';

/** A checkpoint in the node's cache. */
export interface FetchedWeights {
  file: string;
  /** What lies in it, if the manifest says so that the plan has read; else the file itself must be opened. */
  index: CheckpointIndex | null;
}

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
  model: VitModel,
  options: Omit<FetchOptions, 'only'> = {},
): Promise<FetchedWeights> {
  const manifestUri = `${object.uri}.manifest.json`;
  const { manifest, sha256 } = await readManifest(
    store,
    manifestUri,
    WeightsManifestSchema,
    'Stage it again',
  );
  // One that was written since the plan, perhaps of another object: it says nothing about this one.
  const isPlanned = manifest.file.sha256 === object.sha256 && (object.manifestSha256 ?? sha256) === sha256;
  const only = isPlanned ? neededPart(manifest, model) : null;
  const index = isPlanned ? indexOfManifest(object.uri, manifest) : null;
  return { index, file: await fetchToCache(store, folder, object, only ? { ...options, only } : options) };
}
