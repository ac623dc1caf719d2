import { createHash } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { indexForManifest } from '../../core/checkpoint/checkpoint-index.ts';
import { openTorchFile } from '../../core/checkpoint/torch-file.ts';
import { type TensorToLoad, type TorchState, torchFileStream } from '../../core/checkpoint/torch-writer.ts';
import { BadData } from '../../core/config/failures.ts';
import type { WeightsManifest } from '../../core/config/manifests.ts';
import type { StatePart, StateSpec, TrainingState } from '../../core/config/train.ts';
import { bfloat16Bits } from '../../core/model/bfloat16.ts';
import { MASTER, MOMENTS } from '../../core/train/match-state.ts';
import { fileReader } from '../read-at.ts';

/** Bytes that are hashed and written at once; other tasks run between two pieces. */
const PIECE_BYTES = 4 << 20;

/** A torch file on the local disk, and its manifest. */
export interface WrittenFile {
  file: string;
  manifest: WeightsManifest;
}

/** A checkpoint's `meta`, as mmseg writes it. */
export type CheckpointMeta = NonNullable<TorchState['meta']>;

/**
 * Writes a state as two torch files, `<folder>/<name>.pth` and `<folder>/<name>.optimizer.pth`: one tensor is in memory
 * at a time.
 *
 * @throws BadData if a weight is not finite
 */
export async function writeCheckpointFiles(
  folder: string,
  name: string,
  state: TrainingState,
  meta: CheckpointMeta,
): Promise<{ head: WrittenFile; optimizer: WrittenFile }> {
  await mkdir(folder, { recursive: true });
  const digests = new Map<string, string>();
  const tensor = (
    spec: StateSpec,
    part: StatePart,
    key: string,
    dtype: StateSpec['dtype'],
  ): TensorToLoad => ({
    name: key,
    dtype,
    shape: spec.shape,
    load: async () => {
      const values = await state.read(spec.name, part);
      checkFinite(state.step, key, values);
      return pieces(dtype === 'bfloat16' ? bfloat16Bits(values) : values, (sha256) =>
        digests.set(key, sha256),
      );
    },
  });
  const weights = state.specs.map((spec) => tensor(spec, 'value', spec.name, spec.dtype));
  const beside = state.specs.flatMap((spec) => {
    if (!spec.isTrained) return [];
    const parts = (['first', 'second'] as const).map((part) =>
      tensor(spec, part, `${spec.name}.${MOMENTS[part]}`, 'float32'),
    );
    if (spec.dtype === 'float32') return parts;
    return [...parts, tensor(spec, 'value', `${spec.name}.${MASTER}`, 'float32')];
  });
  return {
    head: await write(path.join(folder, `${name}.pth`), { tensors: weights, meta }, digests),
    optimizer: await write(path.join(folder, `${name}.optimizer.pth`), { tensors: beside, meta }, digests),
  };
}

/** A tensor's bytes in pieces; hashes them. */
function* pieces(
  data: Float32Array | Uint16Array,
  onDigest: (sha256: string) => void,
): Generator<Uint8Array> {
  const hash = createHash('sha256');
  const whole = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at < whole.length; at += PIECE_BYTES) {
    const bytes = whole.subarray(at, at + PIECE_BYTES);
    hash.update(bytes);
    yield bytes;
  }
  onDigest(hash.digest('hex'));
}

function checkFinite(step: number, name: string, values: Float32Array): void {
  for (const value of values)
    if (!Number.isFinite(value))
      throw new BadData(`after step ${step} ${name} holds ${value}: the training has diverged`);
}

async function write(
  file: string,
  state: Parameters<typeof torchFileStream>[0],
  digests: Map<string, string>,
): Promise<WrittenFile> {
  const hash = createHash('sha256');
  async function* hashed() {
    for await (const chunk of torchFileStream(state)) {
      hash.update(chunk);
      yield chunk;
    }
  }
  await writeFile(file, hashed(), { mode: 0o600 });
  return { file, manifest: await manifestOf(file, hash.digest('hex'), digests) };
}

async function manifestOf(
  file: string,
  sha256: string,
  digests: Map<string, string>,
): Promise<WeightsManifest> {
  const { size: sizeBytes } = await stat(file);
  const index = await openTorchFile(file, sizeBytes, fileReader(file));
  return {
    version: 1,
    kind: 'weights',
    file: { key: path.basename(file), sizeBytes, sha256 },
    ...indexForManifest(index, (name) => digests.get(name)),
  };
}
