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
import type { StateSource } from '../../core/config/train.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { headSpecs } from '../../core/model/head.ts';
import { readManifest } from '../../core/read-manifest.ts';
import type { Store } from '../../core/store.ts';
import { type Checkpoint, checkpointFile } from '../../core/train/checkpoint-pointers.ts';
import { MASTER, MOMENTS, matchState } from '../../core/train/match-state.ts';
import { optimizerSpecs, stateSpecs } from '../../core/train/state-specs.ts';

/** Tensors of a staged file, read one by one and verified. */
interface VerifiedFile {
  names: Set<string>;
  read(name: string): Promise<Float32Array>;
}

/**
 * The state that a checkpoint holds, tensor by tensor.
 *
 * @throws BadInput if the checkpoint is of another model; while it is read BadData if a digest does not match, Unavailable
 */
export async function checkpointState(
  store: Store,
  checkpoint: Checkpoint,
  config: TrainableConfig,
): Promise<StateSource> {
  const specs = stateSpecs(config);
  const model = await verified(store, checkpointFile(checkpoint, 'head'), (file) =>
    matchState(file, specs, config.name),
  );
  const optimizer = await verified(store, checkpointFile(checkpoint, 'optimizer'), (file) =>
    matchState(file, optimizerSpecs(config), config.name),
  );
  return {
    step: checkpoint.step,
    async *tensors() {
      for (const { name, isTrained, dtype } of specs) {
        const isRounded = isTrained && dtype !== 'float32';
        const data = await (isRounded ? optimizer.read(`${name}.${MASTER}`) : model.read(name));
        if (!isTrained) yield { name, data };
        else
          yield {
            name,
            data,
            first: await optimizer.read(`${name}.${MOMENTS.first}`),
            second: await optimizer.read(`${name}.${MOMENTS.second}`),
          };
      }
    },
  };
}

/** A state at step 0 with the weights of a staged head in place of its own. @throws as `checkpointState` */
export async function withHead(
  store: Store,
  source: StateSource,
  head: StagedObject,
  config: TrainableConfig,
): Promise<StateSource> {
  const specs = headSpecs(config.model);
  const file = await verified(store, head, (index) => matchState(index, specs, config.name));
  return {
    ...source,
    async *tensors() {
      for await (const tensor of source.tensors())
        yield file.names.has(tensor.name) ? { ...tensor, data: await file.read(tensor.name) } : tensor;
    },
  };
}

async function verified(
  store: Store,
  { uri, sha256, sizeBytes }: StagedObject,
  match: (file: CheckpointIndex) => Map<string, IndexedTensor>,
): Promise<VerifiedFile> {
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
  const matched = match(file);
  return {
    names: new Set(matched.keys()),
    async read(name) {
      const tensor = matched.get(name)!;
      const bytes = await readTensor(file, tensor, readAt);
      const digest = digests.get(name);
      if (tensor.contiguous && digest && createHash('sha256').update(bytes).digest('hex') !== digest)
        throw new BadData(`${uri}: SHA-256 of ${name} is not the one in its manifest: the file is damaged`);
      return toFloat32(bytes, tensor.dtype);
    },
  };
}
