import { createHash, randomUUID } from 'node:crypto';
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { CheckpointIndex } from '../../core/checkpoint/checkpoint-index.ts';
import { openCheckpoint } from '../../core/checkpoint/open-checkpoint.ts';
import type { VitModel } from '../../core/config/model-kinds.ts';
import { matchWeights } from '../../core/model/match-weights.ts';
import type { TensorSpec } from '../../core/model/tensor-spec.ts';
import { type CheckpointFile, openWeights, type WeightLoader } from '../../core/model/weights.ts';
import { type DiskNeed, withRoom } from '../disk-room.ts';
import { fileReader } from '../read-at.ts';

export interface CheckpointOnDisk {
  /** What messages call it, such as its S3 address. */
  name: string;
  file: string;
  /** What lies in it; null, or absent, if only the file itself says so. */
  index?: CheckpointIndex | null;
}

export interface PreparedModel {
  /** The ONNX file. */
  modelFile: string;
  /** Where its weights' paths begin, if that isn't its own folder. */
  dataFolder: string | null;
  ignoredKeys: string[];
}

export interface ModelToWrite {
  /** For the model file; ONNX Runtime takes weights in it or below it as they are, others by `dataFolder`. */
  folder: string;
  /** Of the file's name, such as `segmenter`. */
  kind: string;
  checkpoints: CheckpointOnDisk[];
  model: VitModel;
  /** What is read from the checkpoints. */
  specs: TensorSpec[];
  build(weights: WeightLoader): Uint8Array;
}

/**
 * Builds a graph over checkpoints on disk and writes the model file.
 * The file is small: the weights stay where they are.
 *
 * @throws BadInput, BadData if the checkpoints don't fit the config; Unavailable if the disk is full
 */
export async function writeModel(options: ModelToWrite): Promise<PreparedModel> {
  const { folder, kind, checkpoints, model, specs, build } = options;
  const isBelow = ({ file }: CheckpointOnDisk) => !path.relative(folder, file).startsWith('..');
  // ONNX Runtime refuses weights outside of the data's folder; a read-only cache shares no other one with ours.
  const dataFolder = checkpoints.every(isBelow) ? null : path.parse(path.resolve(folder)).root;
  const opened: CheckpointFile[] = [];
  for (const checkpoint of checkpoints) opened.push(await openOnDisk(checkpoint, dataFolder ?? folder));
  const matched = matchWeights(
    opened.map(({ index }) => index),
    model,
    specs,
  );
  const bytes = build(await openWeights(matched, opened, model));
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const modelFile = path.join(folder, `${kind}-${digest}.onnx`);
  // Several workers of a node may write the same model: each to a file of its own, then an atomic rename.
  // Not by the process's id: in containers that share a cache, everyone is number 1.
  const temporary = `${modelFile}.${randomUUID()}`;
  const need: DiskNeed = { folder, what: 'a model file', bytes: bytes.length, variable: 'TESSERA_CACHE' };
  try {
    await withRoom(need, () => writeFile(temporary, bytes));
    await rename(temporary, modelFile);
  } finally {
    await rm(temporary, { force: true });
  }
  return { modelFile, dataFolder, ignoredKeys: matched.ignoredKeys };
}

/** @param root the folder that locations begin at */
export async function openOnDisk(
  { name, file, index }: CheckpointOnDisk,
  root: string,
): Promise<CheckpointFile> {
  const read = fileReader(file);
  return {
    index: index ?? (await openCheckpoint(name, (await stat(file)).size, read)),
    read,
    location: path.relative(root, file),
  };
}
