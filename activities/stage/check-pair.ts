import { BadData, BadInput } from '../../core/config/failures.ts';
import {
  CUT_OFF,
  checkAnnotationSize,
  type ImageHeader,
  isComplete,
  readAnnotationHeader,
  readImageHeader,
  seenSize,
} from '../../core/image/files/image-header.ts';
import { readMatLabels } from '../../core/image/files/mat-file.ts';
import type { PngHeader } from '../../core/image/files/png-chunks.ts';
import type { Size } from '../../core/image/test-size.ts';
import { decodeAnnotation, decodeImage } from '../images/decode.ts';
import type { DatasetSource } from './dataset-source.ts';
import type { Pair } from './pairs.ts';

/** Nearly every header is within so many bytes; of a file with a longer one all bytes are read. */
const HEAD_BYTES = 16 << 10;

export interface WholePair {
  image: Buffer;
  annotation: Buffer | null;
  /** Of the image as it is seen. */
  size: Size;
}

/**
 * Reads the headers of an image and its annotation, from no more of the files than is needed.
 *
 * @throws BadInput if one is missing, BadData if one would not be read as the original reads it, or they don't fit
 */
export async function checkHeads(source: DatasetSource, pair: Pair): Promise<void> {
  const { imageKey, annotationKey } = pair;
  const image = await headerOf(source, imageKey, listingOf(pair), readImageHeader);
  if (annotationKey === null) return;
  const name = source.nameOf(annotationKey);
  // Its label map may stand behind all else.
  const annotation =
    pair.annotationFormat === 'matlab'
      ? readMatLabels(await readWhole(source, annotationKey, annotationOf(pair)), name)
      : await headerOf(source, annotationKey, annotationOf(pair), annotationReader(pair));
  checkAnnotationSize(image, annotation, name);
}

/** Decodes an image and its annotation. @throws as `checkHeads`, and for what is damaged within */
export async function checkPixels(source: DatasetSource, pair: Pair): Promise<void> {
  const { image, annotation } = await readPair(source, pair);
  await decodeImage(image, source.nameOf(pair.imageKey));
  if (annotation)
    await decodeAnnotation(annotation, source.nameOf(pair.annotationKey!), pair.annotationFormat);
}

/** Reads both files as they are to be sent. @throws as `checkHeads`, and for a file that is cut off */
export async function readPair(source: DatasetSource, pair: Pair): Promise<WholePair> {
  const { imageKey, annotationKey } = pair;
  const image = await readWhole(source, imageKey, listingOf(pair));
  // Again, of all bytes: a PNG's orientation may stand at its end.
  const header = wholeHeader(image, source.nameOf(imageKey), readImageHeader);
  if (annotationKey === null) return { image, annotation: null, size: seenSize(header) };
  const annotation = await readWhole(source, annotationKey, annotationOf(pair));
  const name = source.nameOf(annotationKey);
  const labels =
    pair.annotationFormat === 'matlab'
      ? readMatLabels(annotation, name)
      : wholeHeader(annotation, name, annotationReader(pair));
  checkAnnotationSize(header, labels, name);
  return { image, annotation, size: seenSize(header) };
}

function annotationReader({ annotationFormat }: Pair): ReadHeader<PngHeader> {
  return (bytes, name) => readAnnotationHeader(bytes, name, annotationFormat);
}

type ReadHeader<T> = (bytes: Uint8Array, name: string) => T | null;

async function headerOf<T extends ImageHeader>(
  source: DatasetSource,
  key: string,
  what: string,
  read: ReadHeader<T>,
): Promise<T> {
  const head = await source.read(key, HEAD_BYTES);
  const header = head && read(head, source.nameOf(key));
  return header ?? wholeHeader(await readWhole(source, key, what), source.nameOf(key), read);
}

function wholeHeader<T extends ImageHeader>(bytes: Buffer, name: string, read: ReadHeader<T>): T {
  const header = read(bytes, name);
  if (header && isComplete(bytes)) return header;
  throw new BadData(`${name}: ${CUT_OFF}`);
}

async function readWhole(source: DatasetSource, key: string, what: string): Promise<Buffer> {
  const bytes = await source.read(key);
  if (!bytes) throw new BadInput(`${source.nameOf(key)}: missing, ${what}`);
  return bytes;
}

function listingOf({ splitFile }: Pair): string {
  return splitFile ? `listed in ${splitFile}` : 'gone since it was listed';
}

function annotationOf({ imageKey }: Pair): string {
  return `the annotation of ${imageKey}`;
}
