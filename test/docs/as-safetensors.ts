import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mergeShards } from '../../core/checkpoint/merge-shards.ts';
import { openCheckpoint } from '../../core/checkpoint/open-checkpoint.ts';

/** Writes the tensors of a torch file as a model's folder: `model.safetensors`. */
export async function writeAsSafetensors(torchFile: string, folder: string): Promise<void> {
  const bytes = readFileSync(torchFile);
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const index = await openCheckpoint(torchFile, bytes.length, read);
  const fileOf = new Map([...index.tensors.keys()].map((name) => [name, torchFile]));
  const { header, parts } = mergeShards(torchFile, fileOf, new Map([[torchFile, index]]));
  const data = parts.map(({ offset, length }) => bytes.subarray(offset, offset + length));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([header, ...data]));
}
