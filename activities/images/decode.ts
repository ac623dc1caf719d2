import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import type { AnnotationFormat } from '../../core/config/config.ts';
import { BadData } from '../../core/config/failures.ts';
import { cmykToRgb } from '../../core/image/cmyk.ts';
import {
  CUT_OFF,
  isComplete,
  MAX_PIXELS,
  readAnnotationHeader,
  readImageHeader,
} from '../../core/image/files/image-header.ts';
import { readMatLabels } from '../../core/image/files/mat-file.ts';
import { PNG_SIGNATURE, type PngHeader, pngChunks } from '../../core/image/files/png-chunks.ts';
import type { LabelMap, Labels } from '../../core/image/label-map.ts';
import type { RgbImage } from '../../core/image/resize.ts';

/** Of these a file that is cut off is an error, not an image whose rest is grey; profiles change no value. */
const AS_OPENCV = { limitInputPixels: MAX_PIXELS, failOn: 'error', ignoreIcc: true } as const;

/**
 * Decodes a JPEG or PNG to the bytes that OpenCV's `imdecode` gives for IMREAD_COLOR: EXIF orientation applied,
 * colour profiles and gamma ignored, alpha dropped, 16 bits cut to 8.
 *
 * @param name for messages
 * @throws BadData for what can't be decoded, or not to the same bytes
 */
export async function decodeImage(bytes: Uint8Array, name: string): Promise<RgbImage> {
  const refuse = (why: string) => new BadData(`${name}: not a readable image: ${why}`);
  const header = readImageHeader(bytes, name);
  if (!header || !isComplete(bytes)) throw refuse(CUT_OFF);
  const isCmyk = header.format === 'JPEG' && header.channels === 4;
  try {
    const decoder = orient(sharp(bytes, AS_OPENCV), header.orientation);
    const { data, info } = await (isCmyk
      ? decoder.pipelineColourspace('cmyk').toColourspace('cmyk')
      : decoder.toColourspace('srgb').removeAlpha()
    )
      .raw()
      .toBuffer({ resolveWithObject: true });
    // Plain bytes: a Buffer's slice() would be a view, where everybody else's is a copy.
    const plain = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { width: info.width, height: info.height, data: isCmyk ? cmykToRgb(plain) : plain };
  } catch (error) {
    throw refuse(reason(error));
  }
}

/**
 * Decodes an annotation, a PNG if its format isn't another one, to the values that stand in the file: of a palette the index is the label, not the colour.
 *
 * @param name for messages
 * @returns bytes, or 16 bits if the file has values of so many
 * @throws BadData for what isn't read as mmseg reads it, or is damaged
 * @see mmseg 0.30 `LoadAnnotations`; mmcv 1.7 `imfrombytes(flag='unchanged', backend='pillow')`
 */
export async function decodeAnnotation(
  bytes: Uint8Array,
  name: string,
  format: AnnotationFormat = 'labels',
): Promise<LabelMap<Labels>> {
  if (format === 'matlab') return readMatLabels(bytes, name);
  const refuse = (why: string) => new BadData(`${name}: not a readable annotation: ${why}`);
  const header = readAnnotationHeader(bytes, name, format);
  if (!header || !isComplete(bytes)) throw refuse(CUT_OFF);
  try {
    if (format === 'ade20k-full') return await decodeAdeFull(bytes);
    const isWide = header.depth === 16;
    const { data, info } = await sharp(asGrey(bytes, header), AS_OPENCV)
      .toColourspace(isWide ? 'grey16' : 'b-w')
      .raw(isWide ? { depth: 'ushort' } : {})
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    if (isWide) {
      // A copy, since an array of 16 bits begins at an even byte.
      return { width, height, data: new Uint16Array(new Uint8Array(data).buffer) };
    }
    const values = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    // Few bits were stretched to 0…255.
    const step = 255 / (2 ** header.depth - 1);
    return { width, height, data: step === 1 ? values : values.map((v) => v / step) };
  } catch (error) {
    throw refuse(reason(error));
  }
}

/** @see the code of ADE20K's full release, `loadAde20K`: tens of red and green are the class, blue the instance */
async function decodeAdeFull(bytes: Uint8Array): Promise<LabelMap<Labels>> {
  const { data, info } = await sharp(bytes, AS_OPENCV)
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const values = new Uint16Array(info.width * info.height);
  for (let i = 0; i < values.length; i++) values[i] = Math.floor(data[3 * i]! / 10) * 256 + data[3 * i + 1]!;
  return { width: info.width, height: info.height, data: values };
}

/** A decoder would give a palette's colours; without its palette the same PNG is grey, and its values are the labels. */
function asGrey(bytes: Uint8Array, { color }: PngHeader): Buffer {
  const parts: Uint8Array[] = [PNG_SIGNATURE];
  for (const { type, whole, isIntact } of pngChunks(bytes)) {
    if (!isIntact) throw new Error(`its ${type} chunk is damaged (its checksum differs)`);
    if (type === 'IHDR' && color === 'palette') parts.push(greyHeader(whole));
    else if (type === 'IHDR' || type === 'IDAT' || type === 'IEND') parts.push(whole);
  }
  return Buffer.concat(parts);
}

function greyHeader(chunk: Uint8Array): Buffer {
  const grey = Buffer.from(chunk);
  grey[8 + 9] = 0;
  grey.writeUInt32BE(crc32(grey.subarray(4, -4)), grey.length - 4);
  return grey;
}

/** Turns and mirrors by EXIF's numbers. The decoder mirrors before it rotates. */
function orient(decoder: Sharp, orientation: number): Sharp {
  if (orientation === 2) return decoder.flop();
  if (orientation === 3) return decoder.rotate(180);
  if (orientation === 4) return decoder.flip();
  if (orientation === 5) return decoder.rotate(90).flip();
  if (orientation === 6) return decoder.rotate(90);
  if (orientation === 7) return decoder.rotate(90).flop();
  if (orientation === 8) return decoder.rotate(270);
  return decoder;
}

function reason(error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
  if (/premature end/i.test(message)) return CUT_OFF;
  if (/libpng|corrupt header/i.test(message)) return 'its data are damaged; download or save it again';
  return message.replace('VipsJpeg: ', '');
}
