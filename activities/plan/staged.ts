import { type CheckpointIndex, indexOfManifest } from '../../core/checkpoint/checkpoint-index.ts';
import { openCheckpoint } from '../../core/checkpoint/open-checkpoint.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { BadData, BadInput } from '../../core/config/failures.ts';
import {
  type DatasetManifest,
  DatasetManifestSchema,
  WeightsManifestSchema,
} from '../../core/config/manifests.ts';
import { isHubUri } from '../../core/hub/hub-uri.ts';
import { readManifest } from '../../core/read-manifest.ts';
import { joinUri, type Store } from '../../core/store.ts';
import type { Hub } from '../hub/hub.ts';

/** A checkpoint that a run reads: the object, and what lies in it. */
export interface FoundWeights {
  object: StagedObject;
  index: CheckpointIndex;
}

/**
 * A staged checkpoint, as its manifest describes it, or one of the Hub at the commit that its revision is now.
 *
 * @throws BadInput if it isn't staged or may not be read, BadData if it is truncated
 */
export async function plannedWeights(
  { store, hub }: { store: Store; hub?: Hub },
  uri: string,
): Promise<FoundWeights> {
  if (!isHubUri(uri)) return stagedWeights(store, uri);
  if (!hub) throw new BadInput(`${uri}: nothing is read from the Hub here; expected s3://bucket/key`);
  const { object, index } = await hub.open(uri);
  return { object, index };
}

/** A staged checkpoint. @throws as `plannedWeights` */
export async function stagedWeights(store: Store, uri: string): Promise<FoundWeights> {
  const info = await store.head(uri);
  const { manifest, sha256: manifestSha256 } = await readManifest(
    store,
    `${uri}.manifest.json`,
    WeightsManifestSchema,
    `Stage it first: tessera stage weights SOURCE ${uri}`,
  );
  const { sizeBytes, sha256 } = manifest.file;
  if (info.sizeBytes !== sizeBytes)
    throw new BadData(
      `${uri}: ${info.sizeBytes} bytes, but its manifest says ${sizeBytes}: truncated? Stage it again`,
    );
  const { versionId } = info;
  return {
    object: { uri, sha256, sizeBytes, ...(versionId ? { versionId } : {}), manifestSha256 },
    // A manifest of an earlier version says too little: the file's own tables are read, some hundred requests.
    index:
      indexOfManifest(uri, manifest) ??
      (await openCheckpoint(uri, sizeBytes, (offset, length) => store.read(uri, { offset, length }))),
  };
}

/** A split of a staged dataset. @throws BadInput if it isn't staged */
export async function stagedSplit(
  store: Store,
  dataset: string,
  split: string,
): Promise<{ manifest: DatasetManifest; object: StagedObject }> {
  const uri = joinUri(dataset, `${split}.manifest.json`);
  const { manifest, ...digest } = await readManifest(
    store,
    uri,
    DatasetManifestSchema,
    `Stage it first: tessera stage dataset SOURCE ${dataset} --split ${split}`,
  );
  const { versionId } = await store.head(uri);
  return { manifest, object: { uri, ...digest, ...(versionId ? { versionId } : {}) } };
}

/** @throws BadInput for a split that was staged without annotations, with what that means */
export function ensureAnnotated({ images, split }: DatasetManifest, uri: string, meaning: string): void {
  const missing = images.filter(({ annotation }) => !annotation).length;
  if (missing === 0) return;
  throw new BadInput(
    `${uri}: ${missing} of ${images.length} images of split '${split}' have no annotation, so it has ${meaning}`,
  );
}
