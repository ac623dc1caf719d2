import { crc32 } from 'node:zlib';
import { exifOrientation } from './exif-orientation.ts';

/** What a PNG's header says of it, as it is stored: before its orientation is applied. */
export interface PngHeader {
  format: 'PNG';
  width: number;
  height: number;
  /** Bits of a sample, or of an index into the palette. */
  depth: number;
  color: PngColor;
  channels: number;
  /** EXIF's, 1 to 8. */
  orientation: number;
}

export type PngColor = 'grey' | 'RGB' | 'palette' | 'grey with alpha' | 'RGB with alpha';

const COLORS: Record<number, { color: PngColor; channels: number; depths: number[] }> = {
  0: { color: 'grey', channels: 1, depths: [1, 2, 4, 8, 16] },
  2: { color: 'RGB', channels: 3, depths: [8, 16] },
  3: { color: 'palette', channels: 1, depths: [1, 2, 4, 8] },
  4: { color: 'grey with alpha', channels: 2, depths: [8, 16] },
  6: { color: 'RGB with alpha', channels: 4, depths: [8, 16] },
};

export const PNG_SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Length, type and checksum of a chunk. */
const AROUND_DATA = 12;
const HEADER_BYTES = 13;

export interface PngChunk {
  type: string;
  data: Uint8Array;
  /** The chunk as it stands in the file. */
  whole: Uint8Array;
  isIntact: boolean;
}

export function isPng(bytes: Uint8Array): boolean {
  return PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/**
 * Reads a PNG's header, and its orientation if that is in the bytes: it may stand behind the pixels.
 *
 * @param bytes from the file's beginning, as many as are there
 * @returns null if the bytes end before; why the image can't be read, in words
 * @see OpenCV 4.9 grfmt_png.cpp
 */
export function readPngHeader(bytes: Uint8Array): PngHeader | string | null {
  const [first] = pngChunks(bytes);
  if (!first) return null;
  if (first.type !== 'IHDR' || first.data.length !== HEADER_BYTES) return 'its first chunk is not a header';
  if (!first.isIntact) return 'its header is damaged (its checksum differs)';
  const view = new DataView(first.data.buffer, first.data.byteOffset, HEADER_BYTES);
  const kind = COLORS[view.getUint8(9)];
  const depth = view.getUint8(8);
  if (!kind?.depths.includes(depth))
    return `its header is wrong: colour type ${view.getUint8(9)} of ${depth} bits`;
  let orientation = 1;
  for (const { type, data, isIntact } of pngChunks(bytes)) {
    if (type !== 'eXIf' || !isIntact) continue;
    orientation = exifOrientation(data);
    break;
  }
  return {
    format: 'PNG',
    width: view.getUint32(0),
    height: view.getUint32(4),
    depth,
    color: kind.color,
    channels: kind.channels,
    orientation,
  };
}

/** The chunks of a PNG that are wholly there, up to its end. */
export function* pngChunks(bytes: Uint8Array): Generator<PngChunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let next = PNG_SIGNATURE.length;
  while (next + AROUND_DATA <= bytes.length) {
    const at = next;
    const end = at + AROUND_DATA + view.getUint32(at);
    if (end > bytes.length) return;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    yield {
      type,
      data: bytes.subarray(at + 8, end - 4),
      whole: bytes.subarray(at, end),
      // Read only where it matters: a checksum goes over all of the data.
      get isIntact() {
        return crc32(bytes.subarray(at + 4, end - 4)) === view.getUint32(end - 4);
      },
    };
    if (type === 'IEND') return;
    next = end;
  }
}
