import { createHash } from 'node:crypto';
import {
  type CheckpointIndex,
  type IndexedTensor,
  indexOfManifest,
} from '../../core/checkpoint/checkpoint-index.ts';
import { openCheckpoint } from '../../core/checkpoint/open-checkpoint.ts';
import { readTensor, toFloat32 } from '../../core/checkpoint/tensor-data.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { BadData } from '../../core/config/failures.ts';
import { WeightsManifestSchema } from '../../core/config/manifests.ts';
import type { VitConfig } from '../../core/config/model-kinds.ts';
import type { HeadState, HeadTensor } from '../../core/config/train.ts';
import { isParameter } from '../../core/model/head.ts';
import { readManifest } from '../../core/read-manifest.ts';
import type { Store } from '../../core/store.ts';
import { type Checkpoint, checkpointFile } from '../../core/train/checkpoint-pointers.ts';
import { MOMENTS, matchHead, matchMoments } from '../../core/train/match-head.ts';

/**
 * Reads a head's state from a checkpoint, tensor by tensor: UperNet's 5.8 GB are in memory once.
 *
 * @throws BadInput if the checkpoint is of another head, BadData if a digest does not match, Unavailable
 */
export async function readCheckpointState(
  store: Store,
  checkpoint: Checkpoint,
  config: VitConfig,
): Promise<HeadState> {
  const tensors = await readTensors(store, checkpointFile(checkpoint, 'head'), (file) =>
    matchHead(file, config.model, config.name),
  );
  const momentTensors = await readTensors(store, checkpointFile(checkpoint, 'optimizer'), (file) =>
    matchMoments(file, config.model, config.name),
  );
  const moments: HeadState['moments'] = new Map();
  for (const name of tensors.keys()) {
    if (!isParameter({ name })) continue;
    const [first, second] = [MOMENTS.first, MOMENTS.second].map(
      (moment) => momentTensors.get(`${name}.${moment}`)!.data,
    );
    moments.set(name, { first: first!, second: second! });
  }
  return { step: checkpoint.step, tensors, moments };
}

/** The state at step 0 with the weights of a staged head. @throws as `readCheckpointState` */
export async function withHead(
  store: Store,
  state: HeadState,
  head: StagedObject,
  config: VitConfig,
): Promise<HeadState> {
  return {
    ...state,
    tensors: await readTensors(store, head, (file) => matchHead(file, config.model, config.name)),
  };
}

async function readTensors(
  store: Store,
  { uri, sha256, sizeBytes }: StagedObject,
  match: (file: CheckpointIndex) => Map<string, IndexedTensor>,
): Promise<Map<string, HeadTensor>> {
  const readAt = (offset: number, length: number) => store.read(uri, { offset, length });
  const { manifest } = await readManifest(
    store,
    `${uri}.manifest.json`,
    WeightsManifestSchema,
    `Stage it: tessera stage weights ${uri} ${uri}`,
  );
  if (manifest.file.sha256 !== sha256)
    throw new BadData(`${uri}: its manifest is another file's than the one that was planned with`);
  const digests = new Map(manifest.tensors.map((tensor) => [tensor.name, tensor.sha256]));
  const file = indexOfManifest(uri, manifest) ?? (await openCheckpoint(uri, sizeBytes, readAt));
  const tensors = new Map<string, HeadTensor>();
  for (const [name, tensor] of match(file)) {
    const bytes = await readTensor(file, tensor, readAt);
    const digest = digests.get(name);
    if (tensor.contiguous && digest && createHash('sha256').update(bytes).digest('hex') !== digest)
      throw new BadData(`${uri}: SHA-256 of ${name} is not the one in its manifest: the file is damaged`);
    tensors.set(name, { shape: tensor.shape, data: toFloat32(bytes, tensor.dtype) });
  }
  return tensors;
}
