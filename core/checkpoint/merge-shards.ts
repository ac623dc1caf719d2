import { BadData } from '../config/failures.ts';
import type { ByteRange } from '../store.ts';
import type { CheckpointIndex, IndexedTensor } from './checkpoint-index.ts';
import { ITEM_BYTES } from './dtypes.ts';
import { SAFETENSORS_DTYPES } from './safetensors-file.ts';

/** Bytes of one of the shards. */
export interface ShardPart {
  file: string;
  offset: number;
  length: number;
}

/** A safetensors file that is made of shards: its header, then their tensors. */
export interface MergedShards {
  header: Uint8Array;
  /** What follows the header, in order. */
  parts: ShardPart[];
  sizeBytes: number;
  index: CheckpointIndex;
}

/** The data begins at a multiple of this, as torch aligns storages. */
const ALIGNMENT = 64;

/**
 * Makes one safetensors file of shards, of which only the header is new: it is one object with one index downstream.
 *
 * @param name what messages call it: its index
 * @param fileOf which shard holds each tensor, by the index
 * @param shards by file name
 * @throws BadData if shards and index contradict each other
 */
export function mergeShards(
  name: string,
  fileOf: Map<string, string>,
  shards: Map<string, CheckpointIndex>,
): MergedShards {
  const found = [...shards].flatMap(([file, { tensors }]) =>
    [...tensors.values()].map((tensor) => ({ file, tensor })),
  );
  checkIndex(name, fileOf, shards);
  // Large items first, as the format's own writer does, so that each lies at a multiple of its size.
  found.sort((a, b) => ITEM_BYTES[b.tensor.dtype] - ITEM_BYTES[a.tensor.dtype]);
  const places: [string, object][] = [];
  const parts: ShardPart[] = [];
  let end = 0;
  for (const { file, tensor } of found) {
    const { name: key, dtype, shape, length } = tensor;
    ensureContiguous(shards.get(file)!, tensor);
    places.push([key, { dtype: SAFETENSORS_DTYPES[dtype], shape, data_offsets: [end, end + length] }]);
    append(parts, { file, offset: tensor.offset, length });
    end += length;
  }
  const header = encodeHeader(places);
  const tensors = new Map<string, IndexedTensor>();
  let offset = header.length;
  for (const { tensor } of found) {
    const { sha256: _, ...placed } = tensor;
    tensors.set(tensor.name, { ...placed, offset });
    offset += tensor.length;
  }
  const unreadable = new Map([...shards.values()].flatMap((shard) => [...shard.unreadable]));
  return {
    header,
    parts,
    sizeBytes: header.length + end,
    index: { name, tensors, topLevelKeys: [], unreadable },
  };
}

/** Where a range of the merged file lies: bytes of the header, and ranges of shards, in order. */
export function piecesOf(
  { header, parts }: Pick<MergedShards, 'header' | 'parts'>,
  { offset, length }: ByteRange,
): (Uint8Array | ShardPart)[] {
  const end = offset + length;
  const pieces: (Uint8Array | ShardPart)[] = [];
  if (offset < header.length) pieces.push(header.subarray(offset, Math.min(end, header.length)));
  let at = header.length;
  for (const part of parts) {
    const from = Math.max(offset, at);
    const to = Math.min(end, at + part.length);
    if (from < to) pieces.push({ file: part.file, offset: part.offset + from - at, length: to - from });
    at += part.length;
  }
  return pieces;
}

/** Every tensor of the index lies in its shard, and none in two. */
function checkIndex(name: string, fileOf: Map<string, string>, shards: Map<string, CheckpointIndex>): void {
  for (const [tensor, file] of fileOf) {
    const shard = shards.get(file);
    if (!shard?.tensors.has(tensor) && !shard?.unreadable.has(tensor))
      throw new BadData(
        `${name}: says that ${tensor} lies in ${file}, which lacks it: shards of another model? Copy all files again`,
      );
  }
  const seen = new Map<string, string>();
  for (const [file, { tensors, unreadable }] of shards)
    for (const tensor of [...tensors.keys(), ...unreadable.keys()]) {
      const other = seen.get(tensor);
      if (other !== undefined)
        throw new BadData(`${name}: ${tensor} lies in two shards, ${other} and ${file}; expected one`);
      seen.set(tensor, file);
    }
}

function ensureContiguous({ name }: CheckpointIndex, tensor: IndexedTensor): void {
  if (tensor.contiguous) return;
  throw new BadData(
    `${name}: ${tensor.name} is a view whose elements do not lie in order, which a merged file cannot have: ` +
      'load the model with transformers and save it with save_pretrained(safe_serialization=True)',
  );
}

/** Neighbours of one shard are one part: its whole data, as a rule. */
function append(parts: ShardPart[], part: ShardPart): void {
  const last = parts.at(-1);
  if (last?.file === part.file && last.offset + last.length === part.offset) last.length += part.length;
  else if (part.length > 0) parts.push(part);
}

/** Length and JSON, filled up with spaces, which the format allows. */
function encodeHeader(places: [string, object][]): Uint8Array {
  // Of entries, since a name may be `__proto__`.
  const entries = [['__metadata__', { format: 'pt' }], ...places].map(
    ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
  );
  const json = new TextEncoder().encode(`{${entries.join(',')}}`);
  const whole = Math.ceil((8 + json.length) / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(whole).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(whole - 8), true);
  header.set(json, 8);
  return header;
}
