import type { AnnotationFormat } from '../../config/config.ts';
import { BadData } from '../../config/failures.ts';
import type { Size } from '../test-size.ts';
import { swapsSides } from './exif-orientation.ts';
import { formatOf } from './file-format.ts';
import { isJpeg, type JpegHeader, readJpegHeader, scanStart } from './jpeg-header.ts';
import { isPng, type PngHeader, pngChunks, readPngHeader } from './png-chunks.ts';

/** Larger images are refused before they are decoded: 100 megapixels are 300 MB of bytes. */
export const MAX_PIXELS = 100_000_000;

export type ImageHeader = JpegHeader | PngHeader;

/**
 * Reads what a JPEG or PNG is, without decoding it.
 *
 * @param bytes from the file's beginning; a PNG's orientation may stand at its end
 * @param name for messages
 * @returns null if the bytes end before the header does
 * @throws BadData for what would not be read as OpenCV's `imread` reads it
 */
export function readImageHeader(bytes: Uint8Array, name: string): ImageHeader | null {
  const refuse = (why: string) => new BadData(`${name}: not a readable image: ${why}`);
  if (!isJpeg(bytes) && !isPng(bytes)) {
    const { format, isImage } = formatOf(bytes);
    throw refuse(
      `${format}, expected JPEG or PNG${isImage ? '; convert it to PNG, which keeps every pixel' : ''}`,
    );
  }
  const header = isJpeg(bytes) ? readJpegHeader(bytes) : readPngHeader(bytes);
  if (typeof header === 'string') throw refuse(`${header}; save it anew as PNG or JPEG`);
  if (header) checkSize(header, refuse);
  return header;
}

/**
 * Reads what an annotation is, without decoding it: a PNG whose values, or in another format colours, are labels.
 *
 * @param bytes, name as of `readImageHeader`
 * @returns null if the bytes end before the header does
 * @throws BadData for what would not be read as mmseg reads it, or has no one label a pixel
 * @see mmseg 0.30 `LoadAnnotations`, which reads by Pillow: it stretches grey of 2 and 4 bits to 0…255
 */
export function readAnnotationHeader(
  bytes: Uint8Array,
  name: string,
  format: AnnotationFormat = 'labels',
): PngHeader | null {
  const refuse = (why: string) => new BadData(`${name}: not a readable annotation: ${why}`);
  if (!isPng(bytes)) throw refuse(`${formatOf(bytes).format}, expected a PNG whose values are labels`);
  const header = readPngHeader(bytes);
  if (typeof header === 'string') throw refuse(header);
  if (!header) return null;
  const { color, depth, channels } = header;
  if (format === 'ade20k-full') {
    checkSize(header, refuse);
    if (color === 'RGB' && depth === 8) return header;
    throw refuse(`${color} of ${depth} bits, expected RGB of 8 bits (annotationFormat: ade20k-full)`);
  }
  if (channels !== 1)
    throw refuse(`${color} of ${depth} bits, expected one channel; save its labels as grey of 8 or 16 bits`);
  if (color === 'grey' && depth < 8 && depth !== 1)
    throw refuse(
      `grey of ${depth} bits, whose values mmseg stretches to 0…255; save it as grey of 8 bits, or with a palette`,
    );
  checkSize(header, refuse);
  return header;
}

function checkSize({ width, height }: Size, refuse: (why: string) => BadData): void {
  if (width === 0 || height === 0) throw refuse(`its header says ${width}×${height} px`);
  if (width * height > MAX_PIXELS)
    throw refuse(
      `${width}×${height} px are ${Math.ceil((width * height) / 1e6)} million pixels; ` +
        `at most ${MAX_PIXELS / 1e6} million are read: scale it down`,
    );
}

/** What a file lacks that `isComplete` isn't true of, for messages. */
export const CUT_OFF = 'it is cut off, its end is missing; download or save it again';

/**
 * Whether a JPEG or PNG has its end, without which OpenCV leaves pixels unset or refuses it.
 *
 * @param bytes the whole file
 */
export function isComplete(bytes: Uint8Array): boolean {
  if (isPng(bytes)) {
    for (const chunk of pngChunks(bytes)) if (chunk.type === 'IEND') return chunk.isIntact;
    return false;
  }
  // From the end: a thumbnail within the header has an end of its own, and bytes may follow the image's.
  const start = scanStart(bytes);
  for (let at = bytes.length - 2; at >= start; at--)
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  return false;
}

/** An image's size as it is seen: with its orientation applied. */
export function seenSize({ width, height, orientation }: ImageHeader): Size {
  return swapsSides(orientation) ? { width: height, height: width } : { width, height };
}

/** @throws BadData if an annotation isn't of its image's size as it is seen: mmcv turns images, never annotations */
export function checkAnnotationSize(image: ImageHeader, annotation: Size, name: string): void {
  const { width, height } = seenSize(image);
  if (annotation.width === width && annotation.height === height) return;
  const isUnturned = annotation.width === image.width && annotation.height === image.height;
  const why = isUnturned
    ? ` when it is turned by its EXIF orientation ${image.orientation}, as OpenCV does; ` +
      'turn the annotation as well, or remove the orientation from the image'
    : '';
  throw new BadData(
    `${name}: ${annotation.width}×${annotation.height} px, but its image is ${width}×${height}${why}`,
  );
}
