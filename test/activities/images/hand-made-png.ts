import { crc32, deflateSync } from 'node:zlib';

interface HandMadePng {
  width: number;
  height: number;
  depth: 1 | 2 | 4 | 8;
  color: 'grey' | 'palette';
  palette?: number[][];
  /** The rows' bytes, packed as the depth says. */
  rows: readonly (readonly number[])[];
}

/** A PNG of few bits or with a palette, which our encoder doesn't write. */
export function pngOf({ width, height, depth, color, palette, rows }: HandMadePng): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = depth;
  header[9] = color === 'palette' ? 3 : 0;
  const unfiltered = Buffer.from(rows.flatMap((row) => [0, ...row]));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...(palette ? [chunk('PLTE', Buffer.from(palette.flat()))] : []),
    chunk('IDAT', deflateSync(unfiltered)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, 'latin1');
  data.copy(out, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}
