import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { createRandom, jpegOf } from '../../builders.ts';
import { greyProfile, rgbProfile } from './hand-made-icc.ts';
import { type PngChunk, type PngColor, pngChunk, sampledPng } from './hand-made-png.ts';
import { exifBody } from './jpegs-to-read.ts';

/** The depths that a PNG of each colour type may have. */
const DEPTHS = {
  grey: [1, 2, 4, 8, 16],
  rgb: [8, 16],
  palette: [1, 2, 4, 8],
  greyAlpha: [8, 16],
  rgba: [8, 16],
} as const;
const SIZE = { width: 29, height: 19 };

type Depth = 1 | 2 | 4 | 8 | 16;

/** A PNG of random samples. */
function noise(
  color: PngColor,
  depth: Depth,
  chunks: readonly PngChunk[] = [],
  interlaced = false,
  size = SIZE,
): Buffer {
  const random = createRandom(7);
  const colors = color === 'palette' ? Math.min(2 ** depth, 200) : 2 ** depth;
  const palette = Array.from({ length: colors }, () => [0, 0, 0].map(() => Math.floor(256 * random())));
  const withPalette = color === 'palette' ? { palette } : {};
  const sample = () => Math.floor(colors * random());
  return sampledPng({ ...size, depth, color, ...withPalette, chunks, interlaced, sample });
}

/** PNGs as people have them and as hardly anybody does, by what they are: as images and as annotations. */
export function pngsToRead(): Record<string, Buffer> {
  return { ...ofEveryKind(), ...withChunks(), ...damaged() };
}

function ofEveryKind(): Record<string, Buffer> {
  const of: Record<string, Buffer> = {};
  for (const [color, depths] of Object.entries(DEPTHS) as [PngColor, readonly Depth[]][])
    for (const depth of depths) {
      of[`PNG, ${color} of ${depth} bits`] = noise(color, depth);
      of[`PNG, ${color} of ${depth} bits, interlaced`] = noise(color, depth, [], true);
    }
  for (const [width, height] of [
    [1, 1],
    [1, 9],
    [9, 1],
    [3, 2],
    [5, 5],
  ] as const)
    of[`PNG, interlaced, ${width}×${height}`] = noise('palette', 4, [], true, { width, height });
  return of;
}

function withChunks(): Record<string, Buffer> {
  const one = (chunk: PngChunk) => [chunk];
  const gamma = (value: number): PngChunk => ['gAMA', u32(Math.round(value * 100_000))];
  const wide: PngChunk = ['cHRM', [31_270, 32_900, 73_470, 26_530, 15_960, 84_040, 3_660, 10].flatMap(u32)];
  const palette = Array.from({ length: 256 }, (_, i) => (37 * i) & 255);
  const of: Record<string, Buffer> = {
    'PNG, grey with a transparent value': noise('grey', 8, one(['tRNS', [0, 7]])),
    'PNG, grey of 2 bits with a transparent value': noise('grey', 2, one(['tRNS', [0, 1]])),
    'PNG, grey of 16 bits with a transparent value': noise('grey', 16, one(['tRNS', [1, 7]])),
    'PNG, rgb with a transparent value': noise('rgb', 8, one(['tRNS', [0, 7, 0, 8, 0, 9]])),
    'PNG, rgb of 16 bits with a transparent value': noise('rgb', 16, one(['tRNS', [0, 7, 0, 8, 0, 9]])),
    'PNG, palette with alpha': noise('palette', 8, one(['tRNS', palette.slice(0, 150)])),
    'PNG, palette of 1 bit with alpha': noise('palette', 1, one(['tRNS', [0]])),
    'PNG, palette of 4 bits with alpha, interlaced': noise(
      'palette',
      4,
      one(['tRNS', palette.slice(0, 9)]),
      true,
    ),
    'PNG, rgb with an ICC profile': noise('rgb', 8, one(['iCCP', iccp(rgbProfile())])),
    'PNG, rgb of 16 bits with an ICC profile': noise('rgb', 16, one(['iCCP', iccp(rgbProfile(1))])),
    'PNG, palette with an ICC profile': noise('palette', 8, one(['iCCP', iccp(rgbProfile())])),
    'PNG, rgba with an ICC profile': noise('rgba', 8, one(['iCCP', iccp(rgbProfile(3))])),
    'PNG, grey with an ICC profile': noise('grey', 8, one(['iCCP', iccp(greyProfile())])),
    'PNG, greyAlpha with an ICC profile': noise('greyAlpha', 8, one(['iCCP', iccp(greyProfile())])),
    'PNG, grey with an RGB profile': noise('grey', 8, one(['iCCP', iccp(rgbProfile())])),
    'PNG, rgb with a profile that is none': noise('rgb', 8, one(['iCCP', iccp(Buffer.from('none'))])),
    'PNG, sRGB': noise('rgb', 8, [['sRGB', [0]], gamma(0.45455)]),
    'PNG, gamma of 1': noise('rgb', 8, one(gamma(1))),
    'PNG, gamma of 1, grey': noise('grey', 8, one(gamma(1))),
    'PNG, gamma of 1, palette': noise('palette', 8, one(gamma(1))),
    'PNG, gamma of 1, 16 bits': noise('rgb', 16, one(gamma(1))),
    'PNG, wide chromaticities': noise('rgb', 8, [wide, gamma(0.55556)]),
    'PNG, a background, rgba': noise('rgba', 8, one(['bKGD', [0, 200, 0, 100, 0, 0]])),
    'PNG, a background, palette': noise('palette', 8, [
      ['tRNS', palette.slice(0, 99)],
      ['bKGD', [3]],
    ]),
    'PNG, five significant bits': noise('rgb', 8, one(['sBIT', [5, 6, 5]])),
    'PNG, twelve significant bits of 16': noise('rgb', 16, one(['sBIT', [12, 12, 12]])),
    'PNG, four significant bits, grey': noise('grey', 8, one(['sBIT', [4]])),
    'PNG, a text and a time': noise('rgb', 8, [
      ['tEXt', [...Buffer.from('a\0b')]],
      ['tIME', [7, 231, 1, 1, 0, 0, 0]],
    ]),
    'PNG, an unknown chunk': noise('rgb', 8, one(['abCd', [1, 2, 3]])),
    'PNG, an unknown critical chunk': noise('rgb', 8, one(['ABCD', [1, 2, 3]])),
    'PNG, animated': noise('rgb', 8, [
      ['acTL', [...u32(1), ...u32(0)]],
      ['fcTL', frameControl()],
    ]),
    'PNG, coloured by a palette that is a suggestion': suggested(),
    'PNG, of 65,500 by 65,500 pixels': resized(noise('rgb', 8), 65_500, 65_500),
    'PNG, of no width': resized(noise('rgb', 8), 0, 19),
  };
  of['PNG, EXIF behind the pixels'] = insertBeforeEnd(noise('rgb', 8), pngChunk('eXIf', exifBody(6)));
  of['PNG, EXIF twice'] = noise('rgb', 8, [
    ['eXIf', exifBody(3)],
    ['eXIf', exifBody(6)],
  ]);
  of['PNG, EXIF as a text'] = noise('rgb', 8, one(['tEXt', rawProfile(exifBody(6))]));
  of['PNG, XMP with an orientation'] = noise('rgb', 8, one(['tEXt', xmpText()]));
  for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
    of[`PNG, EXIF orientation ${orientation}`] = noise('rgb', 8, one(['eXIf', exifBody(orientation)]));
    of[`PNG, grey, EXIF orientation ${orientation}`] = noise('grey', 8, one(['eXIf', exifBody(orientation)]));
  }
  return of;
}

function damaged(): Record<string, Buffer> {
  const whole = noise('rgb', 8);
  const grey = noise('grey', 8);
  const idat = whole.indexOf('IDAT');
  const changed = (bytes: Buffer, at: number) => {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 1;
    return copy;
  };
  return {
    'PNG, without its end': whole.subarray(0, -12),
    'PNG, grey, without its end': grey.subarray(0, -12),
    'PNG, without its last bytes': whole.subarray(0, -40),
    'PNG, without its second half': whole.subarray(0, whole.length >> 1),
    'PNG, grey, without its second half': grey.subarray(0, grey.length >> 1),
    'PNG, without its data': Buffer.concat([whole.subarray(0, idat - 4), whole.subarray(-12)]),
    'PNG, data of too few rows': resized(whole, 29, 25),
    'PNG, grey, data of too few rows': resized(grey, 29, 25),
    'PNG, data of too many rows': resized(whole, 29, 12),
    'PNG, grey, data of too many rows': resized(grey, 29, 12),
    'PNG, wrong checksum of its data': changed(whole, whole.length - 13),
    'PNG, grey, wrong checksum of its data': changed(grey, grey.length - 13),
    'PNG, a changed byte in its data': changed(whole, idat + 400),
    'PNG, wrong checksum of its header': changed(whole, 32),
    'PNG, wrong checksum of a text': changed(
      noise('rgb', 8, [['tEXt', [...Buffer.from('a\0b')]]]),
      33 + 8 + 3,
    ),
    'PNG, grey, wrong checksum of a text': changed(
      noise('grey', 8, [['tEXt', [...Buffer.from('a\0b')]]]),
      33 + 8 + 3,
    ),
    'PNG, wrong checksum of a profile': changed(noise('rgb', 8, [['iCCP', iccp(rgbProfile())]]), 33 + 8 + 20),
    'PNG, a palette that is missing': sampledPng({ ...SIZE, depth: 8, color: 'palette', sample: (x) => x }),
    'PNG, an index that the palette has not': sampledPng({
      ...SIZE,
      depth: 8,
      color: 'palette',
      palette: [
        [1, 2, 3],
        [4, 5, 6],
      ],
      sample: (x) => x,
    }),
    'PNG, bytes behind its end': Buffer.concat([whole, Buffer.from('more')]),
    'PNG, grey, bytes behind its end': Buffer.concat([grey, Buffer.from('more')]),
  };
}

/** Other formats, which OpenCV reads whatever the file is called. */
export async function othersToRead(): Promise<Record<string, Buffer>> {
  const image = sharp(await jpegOf(20, 10));
  return {
    WebP: await image.clone().webp().toBuffer(),
    'WebP, lossless': await image.clone().webp({ lossless: true }).toBuffer(),
    GIF: await image.clone().gif().toBuffer(),
    TIFF: await image.clone().tiff({ compression: 'none' }).toBuffer(),
    AVIF: await image.clone().avif().toBuffer(),
    BMP: bmp(),
    PNM: Buffer.concat([Buffer.from('P6 2 1 255\n'), Buffer.from([1, 2, 3, 4, 5, 6])]),
    SVG: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="3"/>'),
    HTML: Buffer.from('<html>not found</html>'),
    nothing: Buffer.alloc(0),
    zeros: Buffer.alloc(1000),
  };
}

function insertBeforeEnd(png: Buffer, chunk: Buffer): Buffer {
  return Buffer.concat([png.subarray(0, -12), chunk, png.subarray(-12)]);
}

/** EXIF as ImageMagick wrote it before PNG had a chunk for it. */
function rawProfile(tiff: Buffer): Buffer {
  const data = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff]);
  const text = `\nexif\n${String(data.length).padStart(8)}\n${data.toString('hex')}\n`;
  return Buffer.from(`Raw profile type exif\0${text}`, 'latin1');
}

function xmpText(): Buffer {
  return Buffer.from('XML:com.adobe.xmp\0<rdf:Description tiff:Orientation="6"/>', 'latin1');
}

function suggested(): Buffer {
  const random = createRandom(9);
  const palette = [
    [1, 2, 3],
    [200, 100, 50],
  ];
  return sampledPng({ ...SIZE, depth: 8, color: 'rgb', palette, sample: () => Math.floor(256 * random()) });
}

/** The same data under another size. */
function resized(png: Buffer, width: number, height: number): Buffer {
  const ihdr = Buffer.from(png.subarray(16, 29));
  ihdr.writeUInt32BE(width, 0);
  ihdr.writeUInt32BE(height, 4);
  return Buffer.concat([png.subarray(0, 8), pngChunk('IHDR', ihdr), png.subarray(33)]);
}

function iccp(profile: Buffer): Buffer {
  return Buffer.concat([Buffer.from('icc\0\0', 'latin1'), deflateSync(profile)]);
}

function frameControl(): number[] {
  return [...u32(0), ...u32(29), ...u32(19), ...u32(0), ...u32(0), 0, 1, 0, 10, 0, 0];
}

function u32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function bmp(): Buffer {
  const out = Buffer.alloc(54 + 8);
  out.write('BM', 0, 'latin1');
  out.writeUInt32LE(out.length, 2);
  out.writeUInt32LE(54, 10);
  out.writeUInt32LE(40, 14);
  out.writeInt32LE(2, 18);
  out.writeInt32LE(1, 22);
  out.writeUInt16LE(1, 26);
  out.writeUInt16LE(24, 28);
  Buffer.from([1, 2, 3, 4, 5, 6]).copy(out, 54);
  return out;
}
