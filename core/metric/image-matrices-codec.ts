import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import { BadData } from '../config/failures.ts';
import { parseAs } from '../config/parse.ts';
import { parseJson } from '../config/parse-json.ts';
import { MAX_CLASSES } from './confusion-matrix.ts';
import type { ImageMatrices } from './image-matrices.ts';

/** A million images of a hundred entries: far above any set that is evaluated, and what a host can hold. */
const MAX_BYTES = 1 << 30;

/** Of so many classes a cell's number fits 16 bits. */
const MAX_SHORT_CLASSES = 256;

function layoutOf(classes: number): string[] {
  return [
    'this line of JSON, then little-endian, without gaps:',
    'rows uint32[images + 1]: image i holds entries rows[i] to rows[i + 1]',
    `cells uint${hasShortCells(classes) ? 16 : 32}[entries]: label * classes + prediction, ascending in each image`,
    'counts uint32[entries]: pixels',
  ];
}

function hasShortCells(classes: number): boolean {
  return classes <= MAX_SHORT_CLASSES;
}

const HeaderSchema = z.strictObject({
  format: z.literal('tessera per-image confusion matrices'),
  version: z.literal(1),
  layout: z.array(z.string()),
  classes: z.int().min(1).max(MAX_CLASSES),
  images: z.int().nonnegative(),
  entries: z.int().nonnegative(),
  /** In the manifest's order. */
  ids: z.array(z.string()),
});

/**
 * per_image.bin.gz: the confusion matrix of each image, as CSR arrays behind a line of JSON, in gzip. The same bytes
 * for the same matrices (by the same zlib). To read it in Python:
 *
 *     raw = gzip.open('per_image.bin.gz').read(); at = raw.index(b'\n') + 1; head = json.loads(raw[:at])
 *     n, m, k = head['images'], head['entries'], head['classes']
 *     rows = numpy.frombuffer(raw, '<u4', n + 1, at); at += 4 * (n + 1)
 *     width = 2 if k <= 256 else 4
 *     cells = numpy.frombuffer(raw, f'<u{width}', m, at); at += width * m
 *     counts = numpy.frombuffer(raw, '<u4', m, at)
 *     scipy.sparse.csr_matrix((counts, cells, rows), shape=(n, k * k))
 */
export function encodeImageMatrices({ classes, ids, rows, cells, counts }: ImageMatrices): Uint8Array {
  const header: z.infer<typeof HeaderSchema> = {
    format: 'tessera per-image confusion matrices',
    version: 1,
    layout: layoutOf(classes),
    classes,
    images: ids.length,
    entries: cells.length,
    ids,
  };
  const line = Buffer.from(`${JSON.stringify(header)}\n`);
  const stored = hasShortCells(classes) ? Uint16Array.from(cells) : cells;
  return gzipSync(Buffer.concat([line, ...[rows, stored, counts].map(bytesOf)]));
}

/**
 * Reads what `encodeImageMatrices` wrote.
 *
 * @param where its name, for messages
 * @throws BadData if the bytes are anything else
 */
export function decodeImageMatrices(bytes: Uint8Array, where: string): ImageMatrices {
  const raw = unpacked(bytes, where);
  const end = raw.indexOf(0x0a) + 1;
  const header = parseAs(HeaderSchema, parseJson(raw.subarray(0, end), where), where);
  const { classes, images, entries, ids } = header;
  const cellBytes = hasShortCells(classes) ? 2 : 4;
  const size = end + 4 * (images + 1) + (cellBytes + 4) * entries;
  if (raw.length !== size || ids.length !== images)
    throw new BadData(`${where}: ${raw.length} bytes and ${ids.length} ids, should be ${size} and ${images}`);
  // Copies, since an array of numbers starts at a multiple of their size.
  let at = end;
  const next = (length: number) => {
    const part = new Uint8Array(raw.subarray(at, at + length)).buffer;
    at += length;
    return part;
  };
  const rows = new Uint32Array(next(4 * (images + 1)));
  const stored = next(cellBytes * entries);
  const cells = hasShortCells(classes) ? Uint32Array.from(new Uint16Array(stored)) : new Uint32Array(stored);
  const counts = new Uint32Array(next(4 * entries));
  const isAscending = rows[0] === 0 && rows.every((row, i) => i === 0 || row >= rows[i - 1]!);
  if (!isAscending || rows[images] !== entries || cells.some((cell) => cell >= classes * classes))
    throw new BadData(
      `${where}: its rows or cells are not those of ${images} matrices of ${classes} classes`,
    );
  return { classes, ids, rows, cells, counts };
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function unpacked(bytes: Uint8Array, where: string): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    throw new BadData(`${where}: cannot be unpacked: ${error instanceof Error ? error.message : error}`);
  }
}
