import { BadData, BadInput } from '../config/failures.ts';
import type { DType } from '../config/manifests.ts';
import type { ReadAt } from '../store.ts';
import { type CheckpointIndex, type IndexedTensor, spanBytes } from './checkpoint-index.ts';
import { elementCount, ITEM_BYTES } from './dtypes.ts';
import { readExactly } from './read-exactly.ts';

/**
 * A view may repeat elements (stride 0), so a small file can ask for any amount of memory.
 * The largest tensor of InternViT-6B has 82 MB.
 */
const MAX_TENSOR_BYTES = 2 ** 31;

/**
 * A tensor's elements in C order, little-endian, without gaps.
 *
 * @returns `tensor.length` bytes
 * @throws BadData if the file ends before the tensor does
 */
export async function readTensor(
  file: Pick<CheckpointIndex, 'name'>,
  tensor: IndexedTensor,
  readAt: ReadAt,
): Promise<Uint8Array> {
  const itemBytes = ITEM_BYTES[tensor.dtype];
  const span = spanBytes(tensor);
  if (Math.max(span, tensor.length) > MAX_TENSOR_BYTES) {
    throw new BadData(
      `${file.name}: tensor ${tensor.name} has ${tensor.length} bytes, more than ${MAX_TENSOR_BYTES}`,
    );
  }
  // The bounds were checked when the index was made.
  const whole = { name: file.name, sizeBytes: Number.MAX_SAFE_INTEGER, readAt };
  const bytes = await readExactly(whole, tensor.offset, span, `tensor ${tensor.name}`);
  return tensor.contiguous ? bytes : gather(bytes, tensor, itemBytes);
}

/**
 * Elements as float32. Widening is exact, subnormals and the bits of NaNs included; float64 is rounded to nearest.
 *
 * @param bytes little-endian elements
 * @returns for float32 it shares `bytes`' memory where the alignment allows
 * @throws BadInput for integer types
 */
export function toFloat32(bytes: Uint8Array, dtype: DType): Float32Array {
  const count = bytes.length / ITEM_BYTES[dtype];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === 'float32') {
    // Not slice(): a Buffer's shares the memory.
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    return new Float32Array(aligned.buffer, aligned.byteOffset, count);
  }
  const floats = new Float32Array(count);
  // Written as integers: a float assignment may change the bits of a NaN.
  const bits = new Uint32Array(floats.buffer);
  if (dtype === 'bfloat16') {
    for (let index = 0; index < count; index++) bits[index] = view.getUint16(index * 2, true) << 16;
  } else if (dtype === 'float16') {
    for (let index = 0; index < count; index++) bits[index] = widenHalf(view.getUint16(index * 2, true));
  } else if (dtype === 'float64') {
    for (let index = 0; index < count; index++) floats[index] = view.getFloat64(index * 8, true);
  } else {
    throw new BadInput(`a tensor of ${dtype} was asked for as float32; it should be a float type`);
  }
  return floats;
}

/** The float32 bits of a float16's bits. @see IEEE 754-2019, 3.4 */
export function widenHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal half is a normal float: shift until its leading one is the hidden one.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

function gather(bytes: Uint8Array, tensor: IndexedTensor, itemBytes: number): Uint8Array {
  const { shape, strides } = tensor;
  const out = new Uint8Array(tensor.length);
  const axes = shape.length - 1;
  const inner = shape[axes]!;
  const innerStep = strides[axes]! * itemBytes;
  const position = new Array<number>(shape.length).fill(0);
  const rows = elementCount(shape.slice(0, -1));
  let to = 0;
  let rowStart = 0;
  for (let row = 0; row < rows; row++) {
    for (let index = 0, from = rowStart; index < inner; index++, from += innerStep) {
      for (let byte = 0; byte < itemBytes; byte++) out[to++] = bytes[from + byte]!;
    }
    // Counts like an odometer over the outer axes.
    for (let axis = axes - 1; axis >= 0; axis--) {
      rowStart += strides[axis]! * itemBytes;
      position[axis]!++;
      if (position[axis]! < shape[axis]!) break;
      rowStart -= strides[axis]! * itemBytes * shape[axis]!;
      position[axis] = 0;
    }
  }
  return out;
}
