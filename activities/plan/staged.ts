import { openTorchFile, type TorchFile } from '../../core/checkpoint/torch-file.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { BadData, BadInput } from '../../core/config/failures.ts';
import {
  type DatasetManifest,
  DatasetManifestSchema,
  WeightsManifestSchema,
} from '../../core/config/manifests.ts';
import { readManifest } from '../../core/read-manifest.ts';
import { joinUri, type Store } from '../../core/store.ts';

/** A staged checkpoint, as its manifest tells. @throws BadInput if it isn't staged, BadData if it is truncated */
export async function stagedWeights(store: Store, uri: string): Promise<StagedObject> {
  const info = await store.head(uri);
  const { manifest } = await readManifest(
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
  return { uri, sha256, sizeBytes, ...(info.versionId ? { versionId: info.versionId } : {}) };
}

/** The table of contents of a staged checkpoint; its data isn't read. */
export function openStaged(store: Store, { uri, sizeBytes }: StagedObject): Promise<TorchFile> {
  return openTorchFile(uri, sizeBytes, (offset, length) => store.read(uri, { offset, length }));
}

/** A split of a staged dataset. @throws BadInput if it isn't staged */
export function stagedSplit(
  store: Store,
  dataset: string,
  split: string,
): Promise<{ manifest: DatasetManifest; object: StagedObject }> {
  return readManifest(
    store,
    joinUri(dataset, `${split}.manifest.json`),
    DatasetManifestSchema,
    `Stage it first: tessera stage dataset SOURCE ${dataset} --split ${split}`,
  );
}

/** @throws BadInput for a split that was staged without annotations, with what that means */
export function ensureAnnotated({ images, split }: DatasetManifest, uri: string, meaning: string): void {
  const missing = images.filter(({ annotation }) => !annotation).length;
  if (missing === 0) return;
  throw new BadInput(
    `${uri}: ${missing} of ${images.length} images of split '${split}' have no annotation, so it has ${meaning}`,
  );
}
