import { deflateSync } from 'node:zlib';

/** MATLAB's types of a file's elements, and its classes of variables. */
const TYPES = { int8: 1, uint8: 2, uint16: 4, int32: 5, uint32: 6, double: 9, matrix: 14, compressed: 15 };
const CLASSES = { double: 6, uint8: 9, uint16: 11 };

export interface MatVariable {
  name: string;
  width: number;
  height: number;
  /** Row by row; the file has it column by column. */
  values: ArrayLike<number>;
  /** How the numbers are stored: MATLAB puts doubles that are small into bytes. */
  stored?: 'uint8' | 'uint16' | 'double';
}

/** A MATLAB file of version 7 (compressed) or 5, by hand. */
export function matOf(variables: MatVariable[], { compressed = true } = {}): Buffer {
  const header = Buffer.alloc(128, 0x20);
  header.write('MATLAB 5.0 MAT-file, Platform: GLNXA64, Created on: Tue Mar 14 15:20:32 2017');
  header.writeUInt16LE(0x0100, 124);
  header.write('IM', 126);
  return Buffer.concat([
    header,
    ...variables.map((variable) => {
      const matrix = element(TYPES.matrix, matrixOf(variable));
      if (!compressed) return matrix;
      const packed = deflateSync(matrix);
      return Buffer.concat([tag(TYPES.compressed, packed.length), packed]);
    }),
  ]);
}

function matrixOf({ name, width, height, values, stored = 'uint8' }: MatVariable): Buffer {
  const numbers = Array.from(
    { length: width * height },
    (_, i) => values[(i % height) * width + Math.floor(i / height)]!,
  );
  const data = Buffer.alloc(numbers.length * { uint8: 1, uint16: 2, double: 8 }[stored]);
  for (const [i, value] of numbers.entries()) {
    if (stored === 'uint8') data.writeUInt8(value, i);
    else if (stored === 'uint16') data.writeUInt16LE(value, 2 * i);
    else data.writeDoubleLE(value, 8 * i);
  }
  const flags = Buffer.alloc(8);
  flags.writeUInt32LE(CLASSES.double, 0);
  const dims = Buffer.alloc(8);
  dims.writeInt32LE(height, 0);
  dims.writeInt32LE(width, 4);
  return Buffer.concat([
    element(TYPES.uint32, flags),
    element(TYPES.int32, dims),
    name.length <= 4 ? small(TYPES.int8, Buffer.from(name)) : element(TYPES.int8, Buffer.from(name)),
    element(TYPES[stored], data),
  ]);
}

function tag(type: number, size: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(size, 4);
  return bytes;
}

function element(type: number, data: Buffer): Buffer {
  return Buffer.concat([tag(type, data.length), data, Buffer.alloc((8 - (data.length % 8)) % 8)]);
}

function small(type: number, data: Buffer): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(type, 0);
  bytes.writeUInt16LE(data.length, 2);
  data.copy(bytes, 4);
  return bytes;
}
