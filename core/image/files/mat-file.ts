import { inflateSync } from 'node:zlib';
import { BadData } from '../../config/failures.ts';
import type { LabelMap, Labels } from '../label-map.ts';
import { MAX_PIXELS } from './image-header.ts';

/** Variables that hold a label map: of COCO-Stuff 10k, and of Pascal Context. */
const VARIABLES = ['S', 'LabelMap'];
const HEADER_BYTES = 128;
const VERSION = 0x0100;
/** Of one unpacked variable: numbers of 8 bytes for each pixel that is read. */
const MAX_BYTES = 8 * MAX_PIXELS + 1024;
/** Types of a file's elements. */
const MATRIX = 14;
const COMPRESSED = 15;

type Reader = (view: DataView, at: number) => number;

/** Types of numbers, whatever class MATLAB gives them: doubles that are small integers are stored as bytes. */
const NUMBERS: Record<number, { bytes: number; read: Reader }> = {
  1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  2: { bytes: 1, read: (view, at) => view.getUint8(at) },
  3: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  4: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  5: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  6: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  7: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  9: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};

interface Element {
  type: number;
  data: Uint8Array;
}

/**
 * Reads the label map in a MATLAB file of version 5 to 7: the variable `S` or `LabelMap`.
 *
 * @param name for messages
 * @returns bytes, or 16 bits if a value needs them
 * @throws BadData if there is none, it is damaged, or its values are no labels
 * @see MathWorks, "MAT-File Format", level 5
 */
export function readMatLabels(bytes: Uint8Array, name: string): LabelMap<Labels> {
  try {
    return labelsIn(bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BadData(`${name}: not a readable annotation: ${why}`);
  }
}

function labelsIn(bytes: Uint8Array): LabelMap<Labels> {
  const view = viewOf(bytes);
  const isLittleEndian = bytes[126] === 0x49 && bytes[127] === 0x4d; // "IM"
  if (bytes.length < HEADER_BYTES || !isLittleEndian || view.getUint16(124, true) !== VERSION)
    throw new Error('not a MATLAB file of version 5 to 7');
  for (const element of elementsOf(bytes.subarray(HEADER_BYTES))) {
    const inner = element.type === COMPRESSED ? unpacked(element.data) : element;
    const labels = inner.type === MATRIX ? matrixIn(inner.data) : null;
    if (labels) return labels;
  }
  throw new Error(`it has no variable ${VARIABLES.join(' or ')}`);
}

function unpacked(data: Uint8Array): Element {
  const [element] = elementsOf(inflateSync(data, { maxOutputLength: MAX_BYTES }));
  if (!element) throw new Error('a variable in it is empty');
  return element;
}

/** Elements one after the other: a type, a size and data, padded to eight bytes; of up to four bytes all in eight. */
function* elementsOf(bytes: Uint8Array): Generator<Element> {
  const view = viewOf(bytes);
  let at = 0;
  while (at + 8 <= bytes.length) {
    const tag = view.getUint32(at, true);
    const isSmall = tag >>> 16 !== 0;
    const type = isSmall ? tag & 0xffff : tag;
    const size = isSmall ? tag >>> 16 : view.getUint32(at + 4, true);
    const start = at + (isSmall ? 4 : 8);
    if (start + size > bytes.length || (isSmall && size > 4)) throw new Error('it is cut off or damaged');
    yield { type, data: bytes.subarray(start, start + size) };
    // What is compressed is not padded.
    const end = type === COMPRESSED ? start + size : start + 8 * Math.ceil(size / 8);
    at = isSmall ? at + 8 : end;
  }
}

/** The label map of a variable; null if it is another variable. */
function matrixIn(data: Uint8Array): LabelMap<Labels> | null {
  const [, dims, name, real] = elementsOf(data);
  if (!dims || !name || !VARIABLES.includes(new TextDecoder('latin1').decode(name.data))) return null;
  const [height = 0, width = 0, ...more] = numbersOf(dims);
  if (more.length > 0 || height < 1 || width < 1 || height * width > MAX_PIXELS)
    throw new Error(`its label map is ${[height, width, ...more].join('×')}; expected height×width`);
  const values = real ? numbersOf(real) : new Float64Array();
  if (values.length !== height * width) throw new Error('its label map is cut off or damaged');
  const highest = values.reduce((most, value) => Math.max(most, value), 0);
  if (highest > 65_535 || values.some((value) => !Number.isInteger(value) || value < 0))
    throw new Error('values of its label map are no labels of 0 to 65535');
  const labels = highest > 255 ? new Uint16Array(values.length) : new Uint8Array(values.length);
  // MATLAB goes down the columns.
  for (let x = 0, i = 0; x < width; x++)
    for (let y = 0; y < height; y++) labels[y * width + x] = values[i++]!;
  return { width, height, data: labels };
}

function numbersOf({ type, data }: Element): Float64Array {
  const kind = NUMBERS[type];
  if (!kind) throw new Error(`numbers of an unknown type (${type})`);
  const view = viewOf(data);
  return Float64Array.from({ length: Math.floor(data.length / kind.bytes) }, (_, i) =>
    kind.read(view, i * kind.bytes),
  );
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
