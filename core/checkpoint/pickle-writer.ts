import type { DType } from '../config/manifests.ts';
import { contiguousStrides, elementCount, STORAGE_NAMES } from './dtypes.ts';

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** A tensor that fills the storage `key` alone, in C order. */
export interface PickledTensor {
  key: string;
  dtype: DType;
  shape: readonly number[];
}

/** What `writePickle` writes: plain values, and state dicts (OrderedDicts of tensors). */
export type Picklable = { plain: JsonValue } | { state: [string, PickledTensor][] };

/**
 * A dict in pickle protocol 2, as `torch.save` and `pickle.load` read it.
 * Whole numbers become int, others float; objects become dicts.
 */
export function writePickle(top: [string, Picklable][] | { state: [string, PickledTensor][] }): Uint8Array {
  const parts: (Uint8Array | string)[] = ['\x80\x02'];
  if ('state' in top) writeState(parts, top.state);
  else {
    parts.push('}(');
    for (const [key, value] of top) {
      writeText(parts, key);
      if ('plain' in value) writePlain(parts, value.plain);
      else writeState(parts, value.state);
    }
    parts.push('u');
  }
  parts.push('.');
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
}

type Parts = (Uint8Array | string)[];

function writeState(parts: Parts, state: [string, PickledTensor][]): void {
  parts.push('ccollections\nOrderedDict\n)R(');
  for (const [name, tensor] of state) {
    writeText(parts, name);
    writeTensor(parts, tensor);
  }
  parts.push('u');
}

/** `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, backward_hooks)` */
function writeTensor(parts: Parts, { key, dtype, shape }: PickledTensor): void {
  parts.push('ctorch._utils\n_rebuild_tensor_v2\n((');
  writeText(parts, 'storage');
  parts.push(`ctorch\n${STORAGE_NAMES[dtype]}\n`);
  writeText(parts, key);
  writeText(parts, 'cpu');
  writeNumber(parts, elementCount(shape));
  parts.push('tQK\x00');
  writeNumbers(parts, shape);
  writeNumbers(parts, contiguousStrides(shape));
  parts.push('\x89ccollections\nOrderedDict\n)RtR');
}

function writeNumbers(parts: Parts, numbers: readonly number[]): void {
  parts.push('(');
  for (const number of numbers) writeNumber(parts, number);
  parts.push('t');
}

function writePlain(parts: Parts, value: JsonValue): void {
  if (value === null) parts.push('N');
  else if (typeof value === 'boolean') parts.push(value ? '\x88' : '\x89');
  else if (typeof value === 'number') writeNumber(parts, value);
  else if (typeof value === 'string') writeText(parts, value);
  else if (Array.isArray(value)) {
    parts.push('](');
    for (const item of value) writePlain(parts, item);
    parts.push('e');
  } else {
    parts.push('}(');
    for (const [key, item] of Object.entries(value)) {
      writeText(parts, key);
      writePlain(parts, item);
    }
    parts.push('u');
  }
}

function writeText(parts: Parts, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  const head = Buffer.alloc(5, 'X');
  head.writeUInt32LE(bytes.length, 1);
  parts.push(head, bytes);
}

function writeNumber(parts: Parts, value: number): void {
  const isWhole = Number.isSafeInteger(value) && !Object.is(value, -0);
  if (isWhole && value === (value | 0)) {
    const bytes = Buffer.alloc(5, 'J');
    bytes.writeInt32LE(value, 1);
    parts.push(bytes);
  } else if (isWhole) {
    const bytes = Buffer.alloc(10);
    // LONG1 of 8 bytes.
    bytes.set([0x8a, 8]);
    bytes.writeBigInt64LE(BigInt(value), 2);
    parts.push(bytes);
  } else {
    const bytes = Buffer.alloc(9, 'G');
    bytes.writeDoubleBE(value, 1);
    parts.push(bytes);
  }
}
