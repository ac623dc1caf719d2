import { readFileSync } from 'node:fs';

const READERS = {
  '<f4': { dtype: 'float32', Array: Float32Array },
  '<f8': { dtype: 'float64', Array: Float64Array },
  '<i8': { dtype: 'int64', Array: BigInt64Array },
  '<i4': { dtype: 'int32', Array: Int32Array },
  '|u1': { dtype: 'uint8', Array: Uint8Array },
  '|b1': { dtype: 'bool', Array: Uint8Array },
} as const;

type Reader = (typeof READERS)[keyof typeof READERS];

export interface Npy {
  dtype: Reader['dtype'];
  shape: number[];
  /** In C order. int64 as BigInt64Array, bool as 0 and 1. */
  data: InstanceType<Reader['Array']>;
}

/** Reads a NumPy array file, format 1.0 to 3.0, C order, little-endian. @throws Error for anything else */
export function readNpy(file: string): Npy {
  const bytes = readFileSync(file);
  if (bytes.toString('latin1', 0, 6) !== '\x93NUMPY') throw new Error(`${file}: not a .npy file`);
  const lengthBytes = bytes[6] === 1 ? 2 : 4;
  const start = 8 + lengthBytes + bytes.readUIntLE(8, lengthBytes);
  const header = bytes.toString('utf8', 8 + lengthBytes, start);
  const descr = /'descr': '([^']+)'/.exec(header)?.[1] ?? '';
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? '')
    .split(',')
    .filter((part) => part.trim() !== '');
  if (!(descr in READERS)) throw new Error(`${file}: dtype ${descr} is not supported`);
  if (!header.includes("'fortran_order': False")) throw new Error(`${file}: is in Fortran order`);
  const { dtype, Array: TypedArray } = READERS[descr as keyof typeof READERS];
  // A copy: a typed array must begin at a multiple of its element's size.
  return {
    dtype,
    shape: shape.map(Number),
    data: new TypedArray(new Uint8Array(bytes.subarray(start)).buffer),
  };
}

/** The array's values as doubles. */
export function npyNumbers({ data }: Npy): Float64Array {
  return Float64Array.from(data as Iterable<number | bigint>, Number);
}
