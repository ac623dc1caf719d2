import { crc32, deflateSync } from 'node:zlib';

/** A PNG's colour types, by what a pixel has. */
const COLOR_TYPES = { grey: 0, rgb: 2, palette: 3, greyAlpha: 4, rgba: 6 } as const;
const SAMPLES = { grey: 1, rgb: 3, palette: 1, greyAlpha: 2, rgba: 4 } as const;

export type PngColor = keyof typeof COLOR_TYPES;
export type PngChunk = readonly [type: string, data: Uint8Array | readonly number[]];

interface PngHeader {
  width: number;
  height: number;
  depth: 1 | 2 | 4 | 8 | 16;
  color: PngColor;
  palette?: readonly (readonly number[])[];
  /** What stands behind the palette and before the pixels, or is 'eXIf' and the like. */
  chunks?: readonly PngChunk[];
}

/** A PNG of few bits or with a palette, which our encoder doesn't write; `rows` are packed as the depth says. */
export function pngOf(header: PngHeader & { rows: readonly (readonly number[])[] }): Buffer {
  return assemble(header, false, Buffer.from(header.rows.flatMap((row) => [0, ...row])));
}

/** First column and row of Adam7's seven passes, and the steps to the next. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** A PNG of any depth, colour type and interlacing, whose samples a function gives. */
export function sampledPng(
  header: PngHeader & { interlaced?: boolean; sample(x: number, y: number, channel: number): number },
): Buffer {
  const { width, height, interlaced = false } = header;
  const passes = interlaced ? PASSES : ([[0, 0, 1, 1]] as const);
  const rows: number[] = [];
  for (const [left, top, right, down] of passes) {
    if (left >= width) continue;
    for (let y = top; y < height; y += down) rows.push(0, ...packedRow(header, y, left, right));
  }
  return assemble(header, interlaced, Buffer.from(rows));
}

function packedRow(
  { width, depth, color, sample }: Parameters<typeof sampledPng>[0],
  y: number,
  left: number,
  step: number,
): number[] {
  let bits = '';
  for (let x = left; x < width; x += step)
    for (let c = 0; c < SAMPLES[color]; c++) bits += sample(x, y, c).toString(2).padStart(depth, '0');
  const bytes = bits.match(/.{1,8}/g)!;
  return bytes.map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
}

function assemble(header: PngHeader, interlaced: boolean, unfiltered: Buffer): Buffer {
  const { width, height, depth, color, palette, chunks = [] } = header;
  const ihdr = Buffer.alloc(13);
  ihdr.writeUInt32BE(width, 0);
  ihdr.writeUInt32BE(height, 4);
  ihdr[8] = depth;
  ihdr[9] = COLOR_TYPES[color];
  ihdr[12] = interlaced ? 1 : 0;
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', ihdr),
    // Where the standard wants them: colour space before the palette, transparency and the like behind it.
    ...chunks.filter(([type]) => BEFORE_PALETTE.has(type)).map(([type, data]) => pngChunk(type, data)),
    ...(palette ? [pngChunk('PLTE', palette.flat())] : []),
    ...chunks.filter(([type]) => !BEFORE_PALETTE.has(type)).map(([type, data]) => pngChunk(type, data)),
    pngChunk('IDAT', deflateSync(unfiltered)),
    pngChunk('IEND', []),
  ]);
}

const BEFORE_PALETTE = new Set(['cHRM', 'gAMA', 'iCCP', 'sBIT', 'sRGB']);

export function pngChunk(type: string, data: Uint8Array | readonly number[]): Buffer {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, 'latin1');
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}
