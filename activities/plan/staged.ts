import { openTorchFile, type TorchFile } from '../../core/checkpoint/torch-file.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { BadData } from '../../core/config/failures.ts';
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
