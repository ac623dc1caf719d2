import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { BadData } from './config/failures.ts';
import type { ImageMatrices } from './metric/image-matrices.ts';
import { decodeImageMatrices, encodeImageMatrices } from './metric/image-matrices-codec.ts';
import { joinUri, type Store } from './store.ts';

/** Where shards leave their images' matrices until they are published. */
export function shardFolder(prefix: string): string {
  return joinUri(prefix, 'shards');
}

/**
 * Keeps the matrices of a shard's images until they are published.
 * The object is named by its content: an attempt that was given up and still writes can't replace what counts.
 *
 * @returns the object's SHA-256
 */
export async function writeShardMatrices(
  store: Store,
  { prefix, shard }: { prefix: string; shard: number },
  matrices: ImageMatrices,
): Promise<string> {
  const bytes = encodeImageMatrices(matrices);
  const digest = bytesToHex(sha256(bytes));
  await store.write(shardUri(prefix, shard, digest), bytes, { contentType: 'application/gzip' });
  return digest;
}

/** What `writeShardMatrices` wrote. @throws NotFound, BadData if it is damaged */
export async function readShardMatrices(
  store: Store,
  { prefix, shard, digest }: { prefix: string; shard: number; digest: string },
): Promise<ImageMatrices> {
  return readImageMatrices((uri) => store.read(uri), {
    uri: shardUri(prefix, shard, digest),
    sha256: digest,
  });
}

/** Per-image matrices as they were written. @throws BadData if they are damaged; what `read` throws */
export async function readImageMatrices(
  read: (uri: string) => Promise<Uint8Array>,
  { uri, sha256: expected }: { uri: string; sha256: string },
): Promise<ImageMatrices> {
  const bytes = await read(uri);
  const digest = bytesToHex(sha256(bytes));
  if (digest !== expected) throw new BadData(`${uri}: its SHA-256 is ${digest}, should be ${expected}`);
  return decodeImageMatrices(bytes, uri);
}

function shardUri(prefix: string, shard: number, digest: string): string {
  return joinUri(shardFolder(prefix), `${shard}-${digest.slice(0, 16)}.bin.gz`);
}
