import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { CheckpointIndex } from '../../core/checkpoint/checkpoint-index.ts';
import { type MergedShards, mergeShards, piecesOf } from '../../core/checkpoint/merge-shards.ts';
import { openCheckpoint } from '../../core/checkpoint/open-checkpoint.ts';
import { chooseWeights, isShardIndex, parseShardIndex } from '../../core/checkpoint/published-files.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { BadInput } from '../../core/config/failures.ts';
import { hubUri, isCommit, parseHubUri } from '../../core/hub/hub-uri.ts';
import type { ByteRange } from '../../core/store.ts';
import { type HubClient, type HubFile, uriOf } from './hub-client.ts';

/** The header of most files: what lies in it is read in one request. */
const HEAD_BYTES = 256 << 10;
/** Of a model's config or an index of shards. */
const MAX_SMALL_FILE_BYTES = 100_000_000;

/** Bytes whose digest the Hub knows, with what the digest has before them. */
export interface KnownDigest extends ByteRange {
  name: string;
  sha256: string;
  prefix: Uint8Array;
}

/** A checkpoint in a repository, at a commit. Shards are the one safetensors file that they become. */
export interface HubCheckpoint {
  /**
   * Its address names the commit: `hf://org/name@<commit>/file`, of shards their index. SHA-256 is the file's as the Hub
   * states it; of shards, and of a file without one, it is that of what identifies them: header, and names and digests.
   */
  object: StagedObject;
  index: CheckpointIndex;
  /** Whether `object.sha256` is that of the bytes. */
  isDigest: boolean;
  /** Of the bytes of shards, as far as the Hub knows them. */
  known: KnownDigest[];
  stream(range: ByteRange, signal?: AbortSignal): Promise<Readable>;
}

/** A file at a commit, and those of its folder. */
interface FoundFile {
  file: HubFile;
  beside: HubFile[];
}

/** Opens a checkpoint of the Hub: reads where its tensors lie, not their data. @throws BadData if it is damaged; Unavailable */
export async function openHubCheckpoint(
  client: HubClient,
  { file, beside }: FoundFile,
  signal?: AbortSignal,
): Promise<HubCheckpoint> {
  return isShardIndex(file.file)
    ? openHubShards(client, file, beside, signal)
    : openHubFile(client, file, signal);
}

/**
 * A small file of a repository, such as a model's `config.json`.
 *
 * @returns its bytes, and its address at the commit that the revision is now
 * @throws as `findHubFile`
 */
export async function readHubFile(
  client: HubClient,
  uri: string,
  signal?: AbortSignal,
): Promise<{ uri: string; bytes: Buffer }> {
  if (parseHubUri(uri).file === null) throw new BadInput(`${uri}: names no file; add its path`);
  const { file } = await findHubFile(client, uri, signal);
  return { uri: uriOf(file), bytes: await readSmall(client, file, signal) };
}

/**
 * The file that an address names, at the commit that its revision is now. The address of a repository or folder alone
 * stands for the weights in it.
 *
 * @throws BadInput if there is none or it may not be read; Unavailable
 */
export async function findHubFile(client: HubClient, uri: string, signal?: AbortSignal): Promise<FoundFile> {
  const { repo, revision, file } = parseHubUri(uri);
  const commit = isCommit(revision) ? revision : await client.resolveCommit(repo, revision, signal);
  const listed = (folder: string) => client.listFiles(repo, commit, folder, signal);
  const folder = file?.includes('/') ? file.slice(0, file.lastIndexOf('/')) : '';
  const beside = await listed(folder);
  const named = beside.find((entry) => entry.file === file);
  if (named) return { file: named, beside };
  const files = file === null ? beside : await listed(file);
  const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);
  const chosen = chooseWeights(
    files.map((entry) => nameOf(entry.file)),
    hubUri({ repo, revision: commit, file }),
  );
  return { file: files.find((entry) => nameOf(entry.file) === chosen)!, beside: files };
}

async function readSmall(client: HubClient, file: HubFile, signal?: AbortSignal): Promise<Buffer> {
  if (file.sizeBytes > MAX_SMALL_FILE_BYTES)
    throw new BadInput(
      `${uriOf(file)}: has ${file.sizeBytes} bytes, more than the ${MAX_SMALL_FILE_BYTES} that are read`,
    );
  return client.read(file, { offset: 0, length: file.sizeBytes }, signal);
}

async function openHubFile(client: HubClient, file: HubFile, signal?: AbortSignal): Promise<HubCheckpoint> {
  const { index } = await openHead(client, file, signal);
  const { sizeBytes, sha256 } = file;
  return {
    object: { uri: uriOf(file), sizeBytes, sha256: sha256 ?? identity([uriOf(file), sizeBytes]) },
    index,
    isDigest: sha256 !== null,
    known: [],
    stream: (range, stop) => client.stream(file, range, stop),
  };
}

/** Opens a file whose beginning is read in one piece, and gives that as well. */
async function openHead(client: HubClient, file: HubFile, signal?: AbortSignal) {
  const head = await client.read(file, { offset: 0, length: Math.min(HEAD_BYTES, file.sizeBytes) }, signal);
  const index = await openCheckpoint(uriOf(file), file.sizeBytes, async (offset, length) =>
    offset + length <= head.length
      ? head.subarray(offset, offset + length)
      : client.read(file, { offset, length }, signal),
  );
  return { head, index };
}

async function openHubShards(
  client: HubClient,
  indexFile: HubFile,
  beside: HubFile[],
  signal?: AbortSignal,
): Promise<HubCheckpoint> {
  const uri = uriOf(indexFile);
  const folder = indexFile.file.slice(0, indexFile.file.lastIndexOf('/') + 1);
  const fileOf = parseShardIndex(uri, await readSmall(client, indexFile, signal));
  const shards = new Map<string, { file: HubFile; head: Buffer; index: CheckpointIndex }>();
  for (const name of new Set(fileOf.values())) {
    const file = beside.find((entry) => entry.file === `${folder}${name}`);
    if (!file) throw new BadInput(`${uri}: names ${name}, which the repository lacks at this commit`);
    shards.set(name, { file, ...(await openHead(client, file, signal)) });
  }
  const merged = mergeShards(uri, fileOf, new Map([...shards].map(([name, { index }]) => [name, index])));
  // What streams later needs no heads, which would stay in memory.
  const filesByName = new Map([...shards].map(([name, { file }]) => [name, file]));
  const contents = [...shards].map(([name, { file }]) => [name, file.sizeBytes, file.sha256 ?? uriOf(file)]);
  return {
    object: {
      uri,
      sizeBytes: merged.sizeBytes,
      sha256: identity([createHash('sha256').update(merged.header).digest('hex'), contents]),
    },
    index: merged.index,
    isDigest: false,
    known: knownDigests(merged, shards),
    stream: async (range, stop) =>
      Readable.from(
        chunksOf(merged, range, (name, part) => client.stream(filesByName.get(name)!, part, stop)),
      ),
  };
}

function identity(what: unknown): string {
  return createHash('sha256').update(JSON.stringify(what)).digest('hex');
}

/** Of shards whose whole data is one part of the merged file. */
function knownDigests(
  { header, parts }: MergedShards,
  shards: Map<string, { file: HubFile; head: Buffer }>,
): KnownDigest[] {
  let offset = header.length;
  return parts.flatMap((part) => {
    const at = offset;
    offset += part.length;
    const { file, head } = shards.get(part.file)!;
    const isWhole = part.offset + part.length === file.sizeBytes && part.offset <= head.length;
    const isAlone = parts.filter((other) => other.file === part.file).length === 1;
    if (!isWhole || !isAlone || file.sha256 === null) return [];
    const prefix = new Uint8Array(head.subarray(0, part.offset));
    return { name: part.file, offset: at, length: part.length, sha256: file.sha256, prefix };
  });
}

async function* chunksOf(
  merged: MergedShards,
  range: ByteRange,
  streamOf: (shard: string, range: ByteRange) => Promise<Readable>,
): AsyncGenerator<Uint8Array> {
  for (const piece of piecesOf(merged, range)) {
    if (piece instanceof Uint8Array) yield piece;
    else yield* await streamOf(piece.file, piece);
  }
}
