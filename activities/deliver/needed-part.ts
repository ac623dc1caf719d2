import type { VitModel } from '../../core/config/model-kinds.ts';
import { blockOf } from '../../core/model/backbone.ts';
import { tensorNames } from '../../core/model/tensor-names.ts';
import type { ByteRange } from '../../core/store.ts';
import type { PartialObject } from './object-cache.ts';

/** Below this a hole isn't worth a request of its own on either side. */
const MIN_HOLE_BYTES = 1 << 20;

/** A checkpoint as its manifest describes it, or its own header. */
interface Described {
  file: { sizeBytes: number };
  tensors: readonly (ByteRange & { name: string; sha256?: string | undefined })[];
}

/**
 * What of a checkpoint a model's forward pass needs: everything but the big tensors of blocks behind the last tap, and
 * of the auxiliary head. The file stays a checkpoint that can be opened, since what lies between tensors (headers,
 * pickle, directory) is always there; that is read by a parser that trusts nothing, and every needed tensor is
 * verified by its own digest.
 *
 * @returns null if nothing is to be left out, or the manifest, of an earlier staging, has no tensors' digests
 */
export function neededPart(
  { file, tensors }: Described,
  model: VitModel,
  digests: 'required' | 'where known' = 'required',
): PartialObject | null {
  const last = Math.max(...model.backbone.taps);
  const nameOf = tensorNames(
    tensors.map(({ name }) => name),
    model,
  );
  const isNeeded = (tensor: { name: string }) => {
    const name = nameOf(tensor.name);
    return !name.startsWith('auxiliary_head.') && (blockOf(name) ?? 0) <= last;
  };
  const needed = tensors.filter(isNeeded).toSorted((a, b) => a.offset - b.offset);
  const holes = tensors
    .filter((tensor) => !isNeeded(tensor) && tensor.length >= MIN_HOLE_BYTES)
    .toSorted((a, b) => a.offset - b.offset)
    // A storage may be shared with a block that is needed.
    .filter((hole) => !needed.some((tensor) => overlap(tensor, hole)));
  if (holes.length === 0 || (digests === 'required' && needed.some(({ sha256 }) => sha256 === undefined)))
    return null;

  const ranges: ByteRange[] = [];
  let at = 0;
  for (const { offset, length } of holes) {
    if (offset > at) ranges.push({ offset: at, length: offset - at });
    at = Math.max(at, offset + length);
  }
  if (file.sizeBytes > at) ranges.push({ offset: at, length: file.sizeBytes - at });
  const digestedRanges = needed
    .filter(({ length }) => length > 0)
    .flatMap(({ name, offset, length, sha256 }) => (sha256 ? { name, offset, length, sha256 } : []));
  return { ranges, digestedRanges };
}

function overlap(a: ByteRange, b: ByteRange): boolean {
  return a.offset < b.offset + b.length && b.offset < a.offset + a.length;
}
