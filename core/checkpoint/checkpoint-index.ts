import { BadData } from '../config/failures.ts';
import type { DType, WeightsManifest } from '../config/manifests.ts';
import { contiguousStrides, elementCount, ITEM_BYTES } from './dtypes.ts';

/** What a checkpoint holds and where, without its data: what opening the file gives, and its manifest keeps. */
export interface CheckpointIndex {
  /** What messages call the checkpoint. */
  name: string;
  /** In file order. */
  tensors: Map<string, IndexedTensor>;
  topLevelKeys: string[];
  /** Tensors that are not read, with what they are: `a quantised tensor`. */
  unreadable: Map<string, string>;
}

export interface IndexedTensor {
  name: string;
  dtype: DType;
  shape: number[];
  /** In elements. */
  strides: number[];
  /** True if the elements lie in C order without gaps. */
  contiguous: boolean;
  /** Byte offset of the first element in the file. */
  offset: number;
  /** Bytes of all elements without gaps: product(shape) · bytes of one. */
  length: number;
  /** Of the file's bytes from `offset` to `offset + length`; absent if nobody has read them yet. */
  sha256?: string;
}

/** The part of a manifest that is an index. */
type ManifestIndex = Pick<WeightsManifest, 'tensors' | 'topLevelKeys' | 'unreadable'>;

/** An index as a manifest keeps it. @param sha256Of digest of a tensor's bytes by its name, if they were read */
export function indexForManifest(
  { tensors, topLevelKeys, unreadable }: CheckpointIndex,
  sha256Of: (name: string) => string | undefined,
): ManifestIndex {
  return {
    topLevelKeys,
    ...(unreadable.size > 0 ? { unreadable: [...unreadable].map(([name, what]) => ({ name, what })) } : {}),
    tensors: [...tensors.values()].map(({ name, dtype, shape, strides, contiguous, offset, length }) => {
      const sha256 = sha256Of(name);
      return {
        name,
        dtype,
        shape,
        ...(contiguous ? {} : { strides }),
        offset,
        length,
        ...(sha256 === undefined ? {} : { sha256 }),
      };
    }),
  };
}

/**
 * The index that a manifest keeps.
 *
 * @param name what messages call the checkpoint
 * @returns null for a manifest of an earlier version, which has too little for it: the file itself must be opened
 * @throws BadData if a tensor doesn't lie in the file, or has other bytes than its shape needs
 */
export function indexOfManifest(name: string, manifest: WeightsManifest): CheckpointIndex | null {
  const { file, tensors, topLevelKeys, unreadable = [] } = manifest;
  if (topLevelKeys === undefined) return null;
  const found = new Map<string, IndexedTensor>();
  for (const { strides, sha256, ...tensor } of tensors) {
    const indexed: IndexedTensor = {
      ...tensor,
      strides: strides ?? contiguousStrides(tensor.shape),
      contiguous: strides === undefined,
      ...(sha256 === undefined ? {} : { sha256 }),
    };
    const isPossible =
      indexed.strides.length === tensor.shape.length &&
      tensor.length === elementCount(tensor.shape) * ITEM_BYTES[tensor.dtype] &&
      tensor.offset + spanBytes(indexed) <= file.sizeBytes &&
      !found.has(tensor.name);
    if (!isPossible)
      throw new BadData(
        `${name}: its manifest is damaged: ${tensor.name} of shape [${tensor.shape.join(', ')}] has ${tensor.length} ` +
          `bytes at ${tensor.offset} of ${file.sizeBytes}; stage it again`,
      );
    found.set(tensor.name, indexed);
  }
  return {
    name,
    tensors: found,
    topLevelKeys,
    unreadable: new Map(unreadable.map(({ name, what }) => [name, what])),
  };
}

/** Bytes from a tensor's first element to its last. Less than `length` where a view repeats elements. */
export function spanBytes({ dtype, shape, strides, contiguous, length }: IndexedTensor): number {
  if (contiguous || length === 0) return length;
  const last = shape.reduce((at, size, axis) => at + (size - 1) * strides[axis]!, 0);
  return (last + 1) * ITEM_BYTES[dtype];
}
