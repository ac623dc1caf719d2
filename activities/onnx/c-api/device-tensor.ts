import { elementCount, ITEM_BYTES } from '../../../core/checkpoint/dtypes.ts';
import type { Device } from '../../../core/config/config.ts';
import type { DType } from '../../../core/config/manifests.ts';
import { ELEMENT_TYPE } from '../../../core/onnx/element-types.ts';
import { environment } from './environment.ts';
import { address, get, type Pointer } from './ort-api.ts';
import { Owned } from './owned.ts';

/** The array that holds each type on the host. Floats of 16 bits are their bits. */
interface Arrays {
  float64: Float64Array;
  float32: Float32Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int16: Int16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
export type TensorData<T extends DType = DType> = Arrays[T];

const ARRAYS: { [T in DType]: new (content: number | ArrayBuffer) => Arrays[T] } = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** Kernels of CUDA read up to 16 bytes at once, and a misaligned read loses the device. */
const ALIGNED_BYTES = 16;

interface Place<T extends DType> {
  device: Device;
  dtype: T;
  dims: readonly number[];
  /** On the host, the array that it lies over. */
  array: TensorData<T> | null;
}

/**
 * A tensor that stays where it is from run to run: over an array on the host, or in the memory of a session's device.
 * Disposed of by whoever made it, before its session, and after its parts and the bindings that use it.
 */
export class DeviceTensor<T extends DType = DType> extends Owned {
  readonly device: Device;
  readonly dtype: T;
  readonly dims: readonly number[];
  readonly #array: TensorData<T> | null;

  /** Not to be called but by sessions and bindings. */
  constructor(pointer: Pointer, place: Place<T>, owner: Owned | null) {
    super('ReleaseValue', pointer, owner);
    this.device = place.device;
    this.dtype = place.dtype;
    this.dims = [...place.dims];
    this.#array = place.array;
  }

  /**
   * Over an array on the host, without a copy; its buffer may be a SharedArrayBuffer. It must not be transferred or
   * resized as long as the tensor is open.
   *
   * @throws TypeError if the array is not what the type and shape ask for
   */
  static over<T extends DType>(dtype: T, array: TensorData<T>, dims: readonly number[]): DeviceTensor<T> {
    const expected = ARRAYS[dtype];
    const count = checkedCount(dims);
    if (!(array instanceof expected) || array.length !== count)
      throw new TypeError(
        `${(array as TensorData).constructor.name} of ${(array as TensorData).length} elements given for a tensor ` +
          `${tensorText({ dtype, dims })}; expected ${expected.name} of ${count}`,
      );
    const pointer = valueAt(address(array), { device: 'cpu', dtype, dims });
    return new DeviceTensor(pointer, { device: 'cpu', dtype, dims, array }, null);
  }

  /** Over a new array on the host. @param content of ONNX Runtime's; zeros, if absent */
  static onHost<T extends DType>(dtype: T, dims: readonly number[], content?: ArrayBuffer): DeviceTensor<T> {
    return DeviceTensor.over(dtype, new ARRAYS[dtype](content ?? checkedCount(dims)), dims);
  }

  /**
   * A contiguous part of it, in the same memory: `part(i * c * h * w, [1, c, h, w])` is sample i of a batch.
   *
   * @param first number of its first element, in C order
   * @throws RangeError if it does not lie within; on CUDA, if it does not begin at a multiple of 16 bytes
   */
  part(first: number, dims: readonly number[]): DeviceTensor<T> {
    const { device, dtype } = this;
    const count = checkedCount(dims);
    const whole = elementCount(this.dims);
    if (!Number.isSafeInteger(first) || first < 0 || first + count > whole)
      throw new RangeError(
        `elements ${first} to ${first + count} are asked of a tensor ${tensorText(this)}, which has ${whole}`,
      );
    const offset = first * ITEM_BYTES[dtype];
    if (device === 'cuda' && offset % ALIGNED_BYTES !== 0)
      throw new RangeError(
        `a part of a tensor ${tensorText(this)} begins at byte ${offset}; on CUDA expected a multiple of ${ALIGNED_BYTES}`,
      );
    const array = this.#array ? (this.#array.subarray(first, first + count) as TensorData<T>) : null;
    const start = get('GetTensorMutableData', this.pointer);
    const pointer = valueAt(start + BigInt(offset), { device, dtype, dims });
    return new DeviceTensor(pointer, { device, dtype, dims, array }, this);
  }

  /** The same elements in another shape, in the same memory. @throws RangeError if the shape has another number of them */
  reshaped(dims: readonly number[]): DeviceTensor<T> {
    if (checkedCount(dims) !== elementCount(this.dims))
      throw new RangeError(
        `[${dims.join(', ')}] has another number of elements than a tensor ${tensorText(this)}`,
      );
    return this.part(0, dims);
  }

  get sizeBytes(): number {
    return elementCount(this.dims) * ITEM_BYTES[this.dtype];
  }

  /** The array that it lies over. @throws Error if it is on a device: copy it into one on the host first */
  get data(): TensorData<T> {
    if (!this.#array)
      throw new Error(`a tensor ${tensorText(this)} is on ${this.device}: copy it to the host first`);
    this.checkUsable();
    return this.#array;
  }

  /** @throws Error if it is disposed of, or its array's buffer was transferred to another thread */
  checkUsable(): void {
    if (this.pointer && this.#array && this.#array.length !== elementCount(this.dims))
      throw new Error(
        `the array of a tensor ${tensorText(this)} was transferred or resized while it is in use`,
      );
  }
}

/** Such as `float32 [2, 3]`; of a dimension that differs from run to run, `?`. */
export function tensorText({ dtype, dims }: { dtype: DType; dims: readonly number[] }): string {
  return `${dtype} [${dims.map((dim) => (dim < 0 ? '?' : dim)).join(', ')}]`;
}

/** ONNX Runtime's form of a shape: where it lies, and its rank. */
export function shapeArguments(dims: readonly number[]): [BigInt64Array, number] {
  return [BigInt64Array.from(dims, BigInt), dims.length];
}

export function checkedCount(dims: readonly number[]): number {
  const count = elementCount(dims);
  if (dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0) || !Number.isSafeInteger(count))
    throw new RangeError(`[${dims.join(', ')}] is not a shape: expected whole numbers from 0`);
  return count;
}

function valueAt(start: Pointer, { device, dtype, dims }: Omit<Place<DType>, 'array'>): Pointer {
  const bytes = elementCount(dims) * ITEM_BYTES[dtype];
  const memory = environment().memory[device];
  const shape = shapeArguments(dims);
  return get('CreateTensorWithDataAsOrtValue', memory, start, bytes, ...shape, ELEMENT_TYPE[dtype]);
}
