import { BadData } from '../config/failures.ts';
import type { DType } from '../config/manifests.ts';
import type { CheckpointIndex, IndexedTensor } from './checkpoint-index.ts';
import { contiguousStrides, elementCount, ITEM_BYTES } from './dtypes.ts';
import { type RangedFile, readExactly } from './read-exactly.ts';
import { type HeaderEntry, MAX_HEADER_BYTES, parseHeader } from './safetensors-header.ts';

/** The header's length, uint64 little-endian. */
const LENGTH_BYTES = 8;

/** The format's names of the types that are read. Others (8 bits and less, unsigned, complex) are no weights of ours. */
export const SAFETENSORS_DTYPES: Record<DType, string> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};
const DTYPE_OF = new Map(
  Object.entries(SAFETENSORS_DTYPES).map(([dtype, name]) => [name, dtype as DType] as const),
);

/** Whether a file begins as safetensors does: a length that fits the limit, then a JSON object. */
export function isSafetensors(head: Uint8Array): boolean {
  return head.length > LENGTH_BYTES && head[LENGTH_BYTES] === 0x7b && head[6] === 0 && head[7] === 0;
}

/**
 * Opens a safetensors file: reads its header, not its data.
 *
 * @throws BadData if it is damaged or truncated
 * @see safetensors 0.6 `README.md` "Format"
 */
export async function openSafetensors(file: RangedFile): Promise<CheckpointIndex> {
  const length = await readExactly(file, 0, LENGTH_BYTES, "the header's length");
  const view = new DataView(length.buffer, length.byteOffset, LENGTH_BYTES);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES)
    throw new BadData(
      `${file.name}: its safetensors header has ${headerBytes} bytes, more than the format's ${MAX_HEADER_BYTES}; copy it again`,
    );
  const header = await readExactly(file, LENGTH_BYTES, headerBytes, 'the safetensors header');
  const dataOffset = LENGTH_BYTES + headerBytes;
  const entries = parseHeader(file.name, header, file.sizeBytes - dataOffset);
  const tensors = new Map<string, IndexedTensor>();
  const unreadable = new Map<string, string>();
  for (const entry of entries) {
    const dtype = DTYPE_OF.get(entry.dtype);
    if (dtype === undefined) unreadable.set(entry.name, `of type ${entry.dtype}`);
    else tensors.set(entry.name, placed(file.name, entry, dtype, dataOffset));
  }
  if (tensors.size === 0) throw new BadData(`${file.name}: ${noTensors(unreadable)}`);
  return { name: file.name, tensors, topLevelKeys: [], unreadable };
}

function noTensors(unreadable: Map<string, string>): string {
  const [first] = unreadable;
  return first
    ? `${first[0]} is ${first[1]}, as are all of its tensors: convert them to dense float tensors and save it again`
    : 'is a safetensors file without tensors';
}

/** @throws BadData if the range isn't as long as type and shape need */
function placed(fileName: string, entry: HeaderEntry, dtype: DType, dataOffset: number): IndexedTensor {
  const { name, shape, begin, end } = entry;
  const length = elementCount(shape) * ITEM_BYTES[dtype];
  if (length !== end - begin)
    throw new BadData(
      `${fileName}: tensor ${name} of shape [${shape.join(', ')}] and type ${entry.dtype} has ${end - begin} bytes, ` +
        `but needs ${length}; copy it again`,
    );
  return {
    name,
    dtype,
    shape,
    strides: contiguousStrides(shape),
    contiguous: true,
    offset: dataOffset + begin,
    length,
  };
}
