import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeAnnotation, decodeImage } from '../../../activities/images/decode.ts';
import { BadData } from '../../../core/config/failures.ts';
import { filesToRead, type OriginalsReading, readByOpenCV } from './files-to-read.ts';

const python = process.env.TESSERA_OPENCV_PYTHON;
const files = await filesToRead();
const names = Object.keys(files);

/** What the original reads, recorded by record-opencv.ts. */
const recorded: Record<string, OriginalsReading> = JSON.parse(
  readFileSync(join(import.meta.dirname, 'opencv.json'), 'utf8'),
);

const CUT_OFF = /it is cut off, its end is missing; download or save it again/;
const DAMAGED = /its data are damaged/;

/** Images that are refused; every other one has OpenCV's bytes. */
const REFUSED_IMAGES: [name: RegExp, because: RegExp][] = [
  [/^JPEG, (with half of|without) its end marker$/, CUT_OFF],
  [/^JPEG, without (its last bytes|its second half|any data|its scan)$/, CUT_OFF],
  [/^JPEG, progressive, (without its end marker|cut off)$/, CUT_OFF],
  [/^JPEG, zeros in place of its second half$/, CUT_OFF],
  [/^JPEG, bytes before its second marker$/, /a file of an unknown format, expected JPEG or PNG/],
  [/^JPEG, two components$/, /it has 2 components, expected 1 \(grey\), 3 \(colour\) or 4 \(CMYK\)/],
  [/^JPEG, of 12 bits$/, /its samples have 12 bits, expected 8; save it anew as PNG or JPEG/],
  [/^JPEG, lossless$/, /its coding is lossless; save it anew as PNG or JPEG/],
  [/^JPEG, differential$/, /its coding is differential; save it anew/],
  [/^JPEG, arithmetic coding and progressive$/, /Invalid progressive/],
  [/^JPEG, of no height$/, /its header says 45×0 px/],
  [/^JPEG, of no width$/, /its header says 0×37 px/],
  [/^(JPEG|PNG), of 65,500 by 65,500 pixels$/, /65500×65500 px are 4291 million pixels; at most 100 million/],
  [/^PNG,.* without its (end|last bytes|second half)$/, CUT_OFF],
  [/^PNG, of no width$/, /its header says 0×19 px/],
  [/^PNG, (without its data|a changed byte in its data|a palette that is missing)$/, DAMAGED],
  [/^PNG,.* (data of too few rows|wrong checksum of its data|an unknown critical chunk)$/, DAMAGED],
  [/^PNG, wrong checksum of its header$/, /its header is damaged \(its checksum differs\)/],
  [/^WebP/, /a WebP file, expected JPEG or PNG; convert it to PNG, which keeps every pixel/],
  [/^GIF$/, /a GIF file, expected/],
  [/^TIFF$/, /a TIFF file, expected/],
  [/^AVIF$/, /an AVIF file, expected/],
  [/^BMP$/, /a BMP file, expected/],
  [/^PNM$/, /a PNM file, expected/],
  [/^SVG$/, /an SVG file, expected/],
  [/^HTML$/, /a web page, expected JPEG or PNG$/],
  [/^nothing$/, /an empty file, expected/],
  [/^zeros$/, /a file of an unknown format, expected/],
];

const DIFFERENT_CHANNELS = /(RGB|grey)( with alpha)? of (8|16) bits, expected one channel/;

/** Annotations that are refused; every other one has mmseg's labels. */
const REFUSED_ANNOTATIONS: [name: RegExp, because: RegExp][] = [
  [/^JPEG, bytes before/, /a file of an unknown format, expected a PNG whose values are labels/],
  [/^JPEG/, /a JPEG file, expected a PNG whose values are labels/],
  [/^PNG, wrong checksum of its header$/, /its header is damaged/],
  [
    /^PNG, grey of (2|4) bits/,
    /grey of \d bits, whose values mmseg stretches to 0…255; save it as grey of 8 bits/,
  ],
  [/^PNG, grey, without its (end|second half)$/, CUT_OFF],
  [/^PNG, grey, data of too few rows$/, DAMAGED],
  [/^PNG, grey, wrong checksum of its data$/, /its IDAT chunk is damaged \(its checksum differs\)/],
  [/^PNG, grey, wrong checksum of a text$/, /its tEXt chunk is damaged/],
  [/^PNG, (rgb|greyAlpha)/, DIFFERENT_CHANNELS],
  // Of colour, if their names don't say otherwise.
  [/^PNG, (?!.*(grey|palette|interlaced|index))/, DIFFERENT_CHANNELS],
  [/^PNG, coloured by a palette/, DIFFERENT_CHANNELS],
  [/^(?!PNG)/, /(file|page|format), expected a PNG whose values are labels$/],
];

function refusalOf(name: string, table: [RegExp, RegExp][]): RegExp | undefined {
  return table.find(([pattern]) => pattern.test(name))?.[1];
}

function sha256(data: Uint8Array | Uint16Array): string {
  return createHash('sha256').update(data).digest('hex');
}

describe('as an image', () => {
  test.each(names)('%s: the bytes of OpenCV, or refused by name', async (name) => {
    const refusal = refusalOf(name, REFUSED_IMAGES);
    if (refusal) {
      await expect(decodeImage(files[name]!, 's3://bucket/a.jpg')).rejects.toThrow(BadData);
      await expect(decodeImage(files[name]!, 's3://bucket/a.jpg')).rejects.toThrow(refusal);
      await expect(decodeImage(files[name]!, 's3://bucket/a.jpg')).rejects.toThrow(
        /^s3:\/\/bucket\/a\.jpg: not a/,
      );
    } else {
      const { width, height, data } = await decodeImage(files[name]!, name);
      expect({ shape: [height, width, 3], sha256: sha256(data) }).toEqual(recorded[name]!.image);
    }
  });
});

describe('as an annotation', () => {
  test.each(names)('%s: the labels of mmseg, or refused by name', async (name) => {
    const refusal = refusalOf(name, REFUSED_ANNOTATIONS);
    if (refusal) {
      await expect(decodeAnnotation(files[name]!, 's3://bucket/a.png')).rejects.toThrow(BadData);
      await expect(decodeAnnotation(files[name]!, 's3://bucket/a.png')).rejects.toThrow(refusal);
      await expect(decodeAnnotation(files[name]!, 's3://bucket/a.png')).rejects.toThrow(
        /^s3:\/\/bucket\/a\.png: /,
      );
    } else {
      const { width, height, data } = await decodeAnnotation(files[name]!, name);
      // Of 16 bits mmseg keeps the lower byte.
      expect({ shape: [height, width], sha256: sha256(Uint8Array.from(data)) }).toEqual(
        recorded[name]!.annotation,
      );
    }
  });
});

test('what is recorded is what OpenCV and mmcv read here', async ({ skip }) => {
  skip(
    !python,
    'TESSERA_OPENCV_PYTHON names no python with OpenCV and mmcv: infra/opencv/setup.sh makes one',
  );
  const read = await readByOpenCV(python!, files);
  for (const name of names) {
    // What is refused may be anything there, memory that nobody has written among it.
    if (!refusalOf(name, REFUSED_IMAGES))
      expect([name, read[name]!.image]).toEqual([name, recorded[name]!.image]);
    if (!refusalOf(name, REFUSED_ANNOTATIONS))
      expect([name, read[name]!.annotation]).toEqual([name, recorded[name]!.annotation]);
  }
});
