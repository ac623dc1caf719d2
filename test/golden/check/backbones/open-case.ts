import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileReader } from '../../../../activities/read-at.ts';
import type { CheckpointIndex } from '../../../../core/checkpoint/checkpoint-index.ts';
import { mergeShards, piecesOf } from '../../../../core/checkpoint/merge-shards.ts';
import { openCheckpoint } from '../../../../core/checkpoint/open-checkpoint.ts';
import { parseShardIndex } from '../../../../core/checkpoint/published-files.ts';
import type { CheckpointFile } from '../../../../core/model/weights.ts';
import type { BackboneGolden, PublishedWeights } from './manifest.ts';

/** Puts published weights into a folder, shards merged as staging does it, and opens them. */
export async function openPublished(
  golden: BackboneGolden,
  folder: string,
  { files, index }: Pick<PublishedWeights, 'files' | 'index'>,
): Promise<CheckpointFile> {
  const source = golden.path(files[0]!);
  const location = `${createHash('sha256').update(files.join()).digest('hex').slice(0, 8)}-${path.basename(source)}`;
  const file = path.join(folder, location);
  if (index) writeFileSync(file, await merged(golden, index));
  else copyFileSync(source, file);
  return { index: await open(file), read: fileReader(file), location };
}

async function merged(golden: BackboneGolden, indexFile: string): Promise<Buffer> {
  const at = (file: string) => golden.path(path.join(path.dirname(indexFile), file));
  const fileOf = parseShardIndex(indexFile, readFileSync(golden.path(indexFile)));
  const shards = new Map<string, CheckpointIndex>();
  for (const file of new Set(fileOf.values())) shards.set(file, await open(at(file)));
  const whole = mergeShards(indexFile, fileOf, shards);
  const pieces = piecesOf(whole, { offset: 0, length: whole.sizeBytes }).map((piece) =>
    piece instanceof Uint8Array
      ? piece
      : readFileSync(at(piece.file)).subarray(piece.offset, piece.offset + piece.length),
  );
  return Buffer.concat(pieces);
}

function open(file: string): Promise<CheckpointIndex> {
  return openCheckpoint(path.basename(file), statSync(file).size, fileReader(file));
}
