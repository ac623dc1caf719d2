import { openTorchFile } from '../../../core/checkpoint/torch-file.ts';
import { createZipWriter } from '../../../core/checkpoint/zip-writer.ts';
import type { ReadAt } from '../../../core/store.ts';

/** Reads from memory; like a file, it gives fewer bytes at the end. */
export function readAtOf(bytes: Uint8Array): ReadAt {
  return async (offset, length) => bytes.subarray(offset, offset + length);
}

export function open(bytes: Uint8Array, name = 'x.pth') {
  return openTorchFile(name, bytes.length, readAtOf(bytes));
}

/** Opcodes by hand: latin-1 strings and byte lists, one after the other, then STOP. */
export function pickle(...parts: (string | number[])[]): Uint8Array {
  const bytes = parts.map((part) =>
    typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part),
  );
  return Buffer.concat([Buffer.from([0x80, 2]), ...bytes, Buffer.from('.')]);
}

export function text(value: string): string {
  const bytes = Buffer.from(value, 'utf8');
  return `X${String.fromCharCode(bytes.length, bytes.length >> 8, 0, 0)}${bytes.toString('latin1')}`;
}

export function int(value: number): string {
  return `M${String.fromCharCode(value & 255, value >> 8)}`;
}

export function tuple(...values: number[]): string {
  return `(${values.map(int).join('')}t`;
}

interface View {
  storage?: string;
  type?: string;
  count: number;
  offset?: number;
  shape: number[];
  strides: number[];
}

/** A tensor as torch pickles it. */
export function tensor({
  storage = '0',
  type = 'FloatStorage',
  count,
  offset = 0,
  shape,
  strides,
}: View): string {
  const id = `(${text('storage')}ctorch\n${type}\n${text(storage)}${text('cpu')}${int(count)}tQ`;
  const hooks = 'ccollections\nOrderedDict\n)R';
  return `ctorch._utils\n_rebuild_tensor_v2\n(${id}${int(offset)}${tuple(...shape)}${tuple(...strides)}\x89${hooks}tR`;
}

/** A dict of the values' opcodes. */
export function dict(values: Record<string, string>): string {
  const items = Object.entries(values).map(([key, value]) => text(key) + value);
  return `}(${items.join('')}u`;
}

/** A torch archive around any pickle. */
export function torchZip(
  dataPkl: Uint8Array,
  entries: Record<string, Uint8Array> = {},
  { root = 'archive', zip = createZipWriter() } = {},
): Uint8Array {
  const all = { 'data.pkl': dataPkl, ...entries };
  const chunks = Object.entries(all).flatMap(([name, data]) => [
    zip.begin(`${root}/${name}`, data.length),
    zip.add(data),
    zip.end(),
  ]);
  return Buffer.concat([...chunks, zip.finish()]);
}

export function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}
