import { createHash } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { indexForManifest } from '../../core/checkpoint/checkpoint-index.ts';
import { openTorchFile } from '../../core/checkpoint/torch-file.ts';
import { type TensorToWrite, type TorchState, torchFileChunks } from '../../core/checkpoint/torch-writer.ts';
import { BadData } from '../../core/config/failures.ts';
import type { WeightsManifest } from '../../core/config/manifests.ts';
import type { HeadState } from '../../core/config/train.ts';
import { MOMENTS } from '../../core/train/match-head.ts';
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
 * Writes a state as two torch files, `<folder>/<name>.pth` and `<folder>/<name>.optimizer.pth`, in pieces: the state is
 * in memory once.
 *
 * @throws BadData if a weight is not finite
 */
export async function writeCheckpointFiles(
  folder: string,
  name: string,
  state: HeadState,
  meta: CheckpointMeta,
): Promise<{ head: WrittenFile; optimizer: WrittenFile }> {
  await mkdir(folder, { recursive: true });
  const digests = new Map<string, string>();
  const tensor = (key: string, shape: number[], data: Float32Array): TensorToWrite => ({
    name: key,
    dtype: 'float32',
    shape,
    data: pieces(data, (sha256) => digests.set(key, sha256), finite(state.step, key)),
  });
  const weights = [...state.tensors].map(([key, { shape, data }]) => tensor(key, shape, data));
  const moments = [...state.moments].flatMap(([key, moment]) => {
    const { shape } = state.tensors.get(key)!;
    return (['first', 'second'] as const).map((which) =>
      tensor(`${key}.${MOMENTS[which]}`, shape, moment[which]),
    );
  });
  return {
    head: await write(path.join(folder, `${name}.pth`), { tensors: weights, meta }, digests),
    optimizer: await write(path.join(folder, `${name}.optimizer.pth`), { tensors: moments, meta }, digests),
  };
}

/** Bytes of both files without their metadata, which is some hundred bytes per tensor. */
export function checkpointBytes({ tensors, moments }: HeadState): number {
  const weights = [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  return [...moments.values()].reduce(
    (sum, { first, second }) => sum + first.byteLength + second.byteLength,
    weights,
  );
}

/** A tensor's bytes in pieces; hashes them. */
function* pieces(
  data: Float32Array,
  onDigest: (sha256: string) => void,
  check: (values: Float32Array) => void,
): Generator<Uint8Array> {
  const hash = createHash('sha256');
  for (let at = 0; at < data.length; at += PIECE_BYTES / 4) {
    const values = data.subarray(at, at + PIECE_BYTES / 4);
    check(values);
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    hash.update(bytes);
    yield bytes;
  }
  onDigest(hash.digest('hex'));
}

function finite(step: number, name: string) {
  return (values: Float32Array) => {
    for (const value of values)
      if (!Number.isFinite(value))
        throw new BadData(`after step ${step} ${name} holds ${value}: the training has diverged`);
  };
}

async function write(file: string, state: TorchState, digests: Map<string, string>): Promise<WrittenFile> {
  const hash = createHash('sha256');
  function* hashed() {
    for (const chunk of torchFileChunks(state)) {
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
