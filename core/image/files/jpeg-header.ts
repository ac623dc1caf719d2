import { exifOrientation } from './exif-orientation.ts';

/** What a JPEG's frame says of it, as it is stored: before its orientation is applied. */
export interface JpegHeader {
  format: 'JPEG';
  width: number;
  height: number;
  /** 1 of grey, 3 of colour, 4 of CMYK and YCCK. */
  channels: 1 | 3 | 4;
  /** EXIF's, 1 to 8. */
  orientation: number;
}

const START_OF_SCAN = 0xda;
const END_OF_IMAGE = 0xd9;
const APP1 = 0xe1;
/** `Exif\0\0` */
const EXIF_MARK_BYTES = 6;

/** Coding processes by their frame's marker; null for those that OpenCV decodes. */
const PROCESSES: Record<number, string | null> = {
  192: null,
  193: null,
  194: null,
  195: 'lossless',
  197: 'differential',
  198: 'differential, progressive',
  199: 'differential, lossless',
  201: null,
  202: null,
  203: 'lossless with arithmetic coding',
  205: 'differential with arithmetic coding',
  206: 'differential, progressive, with arithmetic coding',
  207: 'differential, lossless, with arithmetic coding',
};

export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/**
 * Reads a JPEG's segments up to its first scan.
 *
 * @param bytes from the file's beginning, as many as are there
 * @returns null if the bytes end before; why the image can't be read as OpenCV does, in words
 * @see OpenCV 4.9 grfmt_jpeg.cpp: the orientation is of the first APP1 segment, whatever that is
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | string | null {
  let frame: Omit<JpegHeader, 'orientation'> | null = null;
  let orientation: number | null = null;
  for (const { marker, data } of segmentsOf(bytes)) {
    if (marker === START_OF_SCAN)
      return frame ? { ...frame, orientation: orientation ?? 1 } : 'it has no frame';
    if (marker === APP1) orientation ??= exifOrientation(data.subarray(EXIF_MARK_BYTES));
    if (!(marker in PROCESSES) || frame) continue;
    const read = readFrame(marker, data);
    if (typeof read === 'string') return read;
    frame = read;
  }
  return null;
}

/** Where a JPEG's first scan has its data; the file's end if it has none. */
export function scanStart(bytes: Uint8Array): number {
  for (const { marker, data } of segmentsOf(bytes))
    if (marker === START_OF_SCAN) return data.byteOffset - bytes.byteOffset + data.length;
  return bytes.length;
}

function readFrame(marker: number, data: Uint8Array): Omit<JpegHeader, 'orientation'> | string {
  const process = PROCESSES[marker];
  if (process) return `its coding is ${process}`;
  const [precision, heightHigh, heightLow, widthHigh, widthLow, channels] = data;
  if (channels === undefined) return 'its frame is too short';
  if (precision !== 8) return `its samples have ${precision} bits, expected 8`;
  if (channels !== 1 && channels !== 3 && channels !== 4)
    return `it has ${channels} components, expected 1 (grey), 3 (colour) or 4 (CMYK)`;
  return {
    format: 'JPEG',
    width: widthHigh! * 256 + widthLow!,
    height: heightHigh! * 256 + heightLow!,
    channels,
  };
}

/** Segments with data, up to the first scan's header; the last one that is wholly there otherwise. */
function* segmentsOf(bytes: Uint8Array): Generator<{ marker: number; data: Uint8Array }> {
  let at = 2;
  for (;;) {
    // Bytes between segments are skipped, as decoders do; 0xff may be repeated before a marker.
    while (at < bytes.length && bytes[at] !== 0xff) at++;
    while (bytes[at + 1] === 0xff) at++;
    const marker = bytes[at + 1];
    if (marker === undefined || marker === END_OF_IMAGE) return;
    const isAlone = marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8);
    const length = isAlone ? 0 : (bytes[at + 2] ?? 0) * 256 + (bytes[at + 3] ?? 0);
    const end = at + 2 + length;
    if (end > bytes.length) return;
    if (!isAlone) yield { marker, data: bytes.subarray(at + 4, end) };
    if (marker === START_OF_SCAN) return;
    at = Math.max(end, at + 2);
  }
}
