import path from 'node:path';
import { stageWeights } from '../../activities/stage/stage-weights.ts';
import type { Session } from '../../cli/session.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { type WeightsManifest, WeightsManifestSchema } from '../../core/config/manifests.ts';
import { readManifest } from '../../core/read-manifest.ts';
import { placeObject } from '../bench/place-object.ts';

/** A checkpoint in S3, as staging describes it. */
export interface StagedCheckpoint {
  object: StagedObject;
  manifest: WeightsManifest;
  /** How it got there. */
  way: 'linked' | 'uploaded';
  remove(): Promise<void>;
}

/** Makes an object of a checkpoint, and has the product's own staging look into it where it lies. */
export async function stageFile(
  session: Pick<Session, 'store' | 'bucket'>,
  stateFolder: string,
  file: string,
): Promise<StagedCheckpoint> {
  const { store } = session;
  const { uri, way, remove } = await placeObject(session, stateFolder, file, `smoke/${path.basename(file)}`);
  const hooks = { signal: new AbortController().signal, onProgress() {} };
  const { manifestUri } = await stageWeights(store, { source: uri, destination: uri }, hooks);
  const { manifest } = await readManifest(store, manifestUri, WeightsManifestSchema, 'Stage it again');
  return {
    object: { uri, sha256: manifest.file.sha256, sizeBytes: manifest.file.sizeBytes },
    manifest,
    way,
    async remove() {
      await remove();
      await store.remove(manifestUri);
    },
  };
}
