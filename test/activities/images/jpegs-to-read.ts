import sharp from 'sharp';
import { createRandom } from '../../builders.ts';
import { greyProfile, rgbProfile } from './hand-made-icc.ts';
import { jpegOfNoise, jpegSegment } from './hand-made-jpeg.ts';

/** Samplings of Y, Cb and Cr, across and down, by their usual names. */
const SAMPLINGS = {
  '4:4:4': [
    [1, 1],
    [1, 1],
    [1, 1],
  ],
  '4:2:2': [
    [2, 1],
    [1, 1],
    [1, 1],
  ],
  '4:2:0': [
    [2, 2],
    [1, 1],
    [1, 1],
  ],
  '4:4:0': [
    [1, 2],
    [1, 1],
    [1, 1],
  ],
  '4:1:1': [
    [4, 1],
    [1, 1],
    [1, 1],
  ],
  '4:1:0': [
    [4, 2],
    [1, 1],
    [1, 1],
  ],
  '4:4:1': [
    [1, 4],
    [1, 1],
    [1, 1],
  ],
  'chroma finer than luma': [
    [1, 1],
    [2, 2],
    [2, 2],
  ],
  'Cb coarser than Cr': [
    [2, 2],
    [1, 1],
    [2, 1],
  ],
} as const;

const SIZE = { width: 45, height: 37 };
const COLOUR = { ...SIZE, sampling: SAMPLINGS['4:2:0'] };
const GREY = { ...SIZE, sampling: [[1, 1]] } as const;
const FOUR = {
  ...SIZE,
  sampling: [
    [1, 1],
    [1, 1],
    [1, 1],
    [1, 1],
  ],
} as const;

/** JPEGs as people have them and as hardly anybody does, by what they are. */
export async function jpegsToRead(): Promise<Record<string, Buffer>> {
  return {
    ...sampled(),
    ...profiled(),
    ...ofFourComponents(),
    ...oriented(),
    ...damaged(),
    ...(await unusual()),
  };
}

function sampled(): Record<string, Buffer> {
  const of: Record<string, Buffer> = { 'JPEG, grey': jpegOfNoise(GREY) };
  for (const [name, sampling] of Object.entries(SAMPLINGS))
    of[`JPEG, ${name}`] = jpegOfNoise({ ...SIZE, sampling });
  return {
    ...of,
    'JPEG, grey with a sampling of 2×2': jpegOfNoise({ ...SIZE, sampling: [[2, 2]] }),
    'JPEG, progressive': jpegOfNoise({ ...COLOUR, progressive: true }),
    'JPEG, progressive and grey': jpegOfNoise({ ...GREY, progressive: true }),
    'JPEG, restart markers': jpegOfNoise({ ...COLOUR, restartInterval: 2 }),
    'JPEG, restart markers and progressive': jpegOfNoise({
      ...COLOUR,
      restartInterval: 3,
      progressive: true,
    }),
    'JPEG, one pixel': jpegOfNoise({ ...COLOUR, width: 1, height: 1 }),
    'JPEG, one row': jpegOfNoise({ ...COLOUR, height: 1 }),
    'JPEG, one column': jpegOfNoise({ ...COLOUR, width: 1 }),
  };
}

function profiled(): Record<string, Buffer> {
  const of: Record<string, Buffer> = {};
  for (const intent of [0, 1, 2, 3] as const) {
    of[`JPEG, RGB profile with intent ${intent}`] = jpegOfNoise({
      ...COLOUR,
      segments: icc(rgbProfile(intent)),
    });
    of[`JPEG, grey profile with intent ${intent}`] = jpegOfNoise({
      ...GREY,
      segments: icc(greyProfile(intent)),
    });
  }
  return {
    ...of,
    'JPEG, RGB with a grey profile': jpegOfNoise({ ...COLOUR, segments: icc(greyProfile()) }),
    'JPEG, grey with an RGB profile': jpegOfNoise({ ...GREY, segments: icc(rgbProfile()) }),
    'JPEG, profile that is none': jpegOfNoise({ ...COLOUR, segments: icc(Buffer.from('no profile')) }),
    'JPEG, profile of which a part is missing': jpegOfNoise({
      ...COLOUR,
      segments: [icc(rgbProfile(), 2)[0]!],
    }),
    'JPEG, turned and with a profile': jpegOfNoise({ ...COLOUR, segments: [exif(6), ...icc(rgbProfile())] }),
  };
}

function ofFourComponents(): Record<string, Buffer> {
  const RGB_IDS = [82, 71, 66];
  return {
    'JPEG, CMYK by an Adobe marker': jpegOfNoise({ ...FOUR, segments: [adobe(0)] }),
    'JPEG, CMYK without a marker': jpegOfNoise(FOUR),
    'JPEG, YCCK': jpegOfNoise({ ...FOUR, segments: [adobe(2)] }),
    'JPEG, YCCK of coarse chroma': jpegOfNoise({
      ...SIZE,
      sampling: [
        [2, 2],
        [1, 1],
        [1, 1],
        [2, 2],
      ],
      segments: [adobe(2)],
    }),
    'JPEG, YCCK and progressive': jpegOfNoise({ ...FOUR, segments: [adobe(2)], progressive: true }),
    'JPEG, CMYK and turned': jpegOfNoise({ ...FOUR, segments: [exif(6), adobe(0)] }),
    'JPEG, CMYK with a profile': jpegOfNoise({ ...FOUR, segments: [...icc(rgbProfile()), adobe(0)] }),
    'JPEG, four components by an unknown Adobe transform': jpegOfNoise({ ...FOUR, segments: [adobe(7)] }),
    'JPEG, RGB by an Adobe marker': jpegOfNoise({
      ...SIZE,
      sampling: SAMPLINGS['4:4:4'],
      segments: [adobe(0)],
    }),
    'JPEG, grey with an Adobe marker': jpegOfNoise({ ...GREY, segments: [adobe(0)] }),
    'JPEG, YCbCr by an Adobe marker': jpegOfNoise({ ...COLOUR, segments: [adobe(1)] }),
    'JPEG, RGB by its ids': jpegOfNoise({ ...SIZE, sampling: SAMPLINGS['4:4:4'], ids: RGB_IDS }),
    'JPEG, RGB by its ids, but JFIF': jpegOfNoise({
      ...SIZE,
      sampling: SAMPLINGS['4:4:4'],
      ids: RGB_IDS,
      segments: [jfif()],
    }),
    'JPEG, JFIF': jpegOfNoise({ ...COLOUR, segments: [jfif()] }),
    'JPEG, JFIF and Adobe RGB': jpegOfNoise({
      ...SIZE,
      sampling: SAMPLINGS['4:4:4'],
      segments: [jfif(), adobe(0)],
    }),
    'JPEG, two components': jpegOfNoise({
      ...SIZE,
      sampling: [
        [1, 1],
        [1, 1],
      ],
    }),
  };
}

function oriented(): Record<string, Buffer> {
  const of: Record<string, Buffer> = {};
  for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8])
    of[`JPEG, EXIF orientation ${orientation}`] = jpegOfNoise({ ...COLOUR, segments: [exif(orientation)] });
  return {
    ...of,
    'JPEG, EXIF orientation 0': jpegOfNoise({ ...COLOUR, segments: [exif(0)] }),
    'JPEG, EXIF orientation 9': jpegOfNoise({ ...COLOUR, segments: [exif(9)] }),
    'JPEG, EXIF of big endian': jpegOfNoise({ ...COLOUR, segments: [exif(6, 'big')] }),
    'JPEG, EXIF orientation as a long': jpegOfNoise({ ...COLOUR, segments: [exif(6, 'little', 4)] }),
    'JPEG, EXIF orientation as a long of big endian': jpegOfNoise({
      ...COLOUR,
      segments: [exif(6, 'big', 4)],
    }),
    'JPEG, EXIF with a maker': jpegOfNoise({ ...COLOUR, segments: [exifSegment(withMaker(40))] }),
    'JPEG, EXIF with a maker outside of it': jpegOfNoise({
      ...COLOUR,
      segments: [exifSegment(withMaker(4000))],
    }),
    'JPEG, EXIF after JFIF': jpegOfNoise({ ...COLOUR, segments: [jfif(), exif(8)] }),
    'JPEG, EXIF twice': jpegOfNoise({ ...COLOUR, segments: [exif(3), exif(6)] }),
    'JPEG, EXIF of a grey image': jpegOfNoise({ ...GREY, segments: [exif(5)] }),
    'JPEG, EXIF that is cut off': jpegOfNoise({
      ...COLOUR,
      segments: [jpegSegment(0xe1, exif(6).subarray(4, 18))],
    }),
    'JPEG, XMP before EXIF': jpegOfNoise({ ...COLOUR, segments: [xmp(), exif(6)] }),
    'JPEG, XMP with an orientation': jpegOfNoise({ ...COLOUR, segments: [xmp()] }),
  };
}

function damaged(): Record<string, Buffer> {
  const whole = jpegOfNoise(COLOUR);
  const restarting = jpegOfNoise({ ...COLOUR, restartInterval: 2 });
  const progressive = jpegOfNoise({ ...COLOUR, progressive: true });
  const restart = restarting.indexOf(Buffer.from([0xff, 0xd2]));
  const flipped = Buffer.from(whole);
  flipped[flipped.length - 300]! ^= 0x55;
  return {
    'JPEG, without its end marker': whole.subarray(0, -2),
    'JPEG, with half of its end marker': whole.subarray(0, -1),
    'JPEG, without its last bytes': whole.subarray(0, -12),
    'JPEG, without its last bytes but with an end marker': Buffer.concat([
      whole.subarray(0, -40),
      whole.subarray(-2),
    ]),
    'JPEG, without its second half': whole.subarray(0, whole.length >> 1),
    'JPEG, without any data': whole.subarray(0, whole.indexOf(Buffer.from([0xff, 0xda])) + 14),
    'JPEG, without its scan': whole.subarray(0, whole.indexOf(Buffer.from([0xff, 0xda]))),
    'JPEG, progressive, without its end marker': progressive.subarray(0, -2),
    'JPEG, progressive, without its last scan': Buffer.concat([
      progressive.subarray(0, progressive.lastIndexOf(Buffer.from([0xff, 0xda]))),
      progressive.subarray(-2),
    ]),
    'JPEG, progressive, cut off': progressive.subarray(0, -200),
    'JPEG, without one of its restart markers': Buffer.concat([
      restarting.subarray(0, restart),
      restarting.subarray(restart + 2),
    ]),
    'JPEG, a changed byte in its data': flipped,
    'JPEG, zeros in place of its second half': Buffer.concat([
      whole.subarray(0, whole.length >> 1),
      Buffer.alloc(whole.length >> 1),
    ]),
    'JPEG, bytes behind its end': Buffer.concat([whole, Buffer.from('camera maker notes')]),
    'JPEG, zeros behind its end': Buffer.concat([whole, Buffer.alloc(40)]),
    'JPEG, another image behind its end': Buffer.concat([whole, jpegOfNoise({ ...COLOUR, seed: 2 })]),
    'JPEG, bytes before its second marker': Buffer.concat([
      whole.subarray(0, 2),
      Buffer.from([0, 1, 2]),
      whole.subarray(2),
    ]),
    'JPEG, fill bytes before a marker': Buffer.concat([
      whole.subarray(0, 2),
      Buffer.from([0xff, 0xff]),
      whole.subarray(2),
    ]),
  };
}

async function unusual(): Promise<Record<string, Buffer>> {
  const random = createRandom(3);
  const data = Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => 100 + ((i / 3) % 64) + 40 * random());
  const photo = sharp(data, { raw: { width: 64, height: 48, channels: 3 } });
  const libraryJpeg = await photo.clone().jpeg({ quality: 80, optimizeCoding: false }).toBuffer();
  const progressive = await photo.clone().jpeg({ quality: 80, progressive: true }).toBuffer();
  const whole = jpegOfNoise(COLOUR);
  const frame = whole.indexOf(Buffer.from([0xff, 0xc0]));
  const coded = (marker: number, precision = 8) => {
    const bytes = Buffer.from(whole);
    bytes[frame + 1] = marker;
    bytes[frame + 4] = precision;
    return bytes;
  };
  const sized = (height: number, width: number) => {
    const bytes = Buffer.from(whole);
    bytes.writeUInt16BE(height, frame + 5);
    bytes.writeUInt16BE(width, frame + 7);
    return bytes;
  };
  return {
    'JPEG, as libraries write it': libraryJpeg,
    'JPEG, progressive as libraries write it': progressive,
    'JPEG, without tables of codes': withoutTables(libraryJpeg),
    'JPEG, extended sequential': coded(0xc1),
    'JPEG, of 12 bits': coded(0xc1, 12),
    'JPEG, lossless': coded(0xc3),
    'JPEG, arithmetic coding': coded(0xc9),
    'JPEG, arithmetic coding and progressive': coded(0xca),
    'JPEG, differential': coded(0xc5),
    'JPEG, of no height': sized(0, 45),
    'JPEG, of no width': sized(37, 0),
    'JPEG, of a height that its data do not fill': sized(80, 45),
    'JPEG, of 65,500 by 65,500 pixels': sized(65_500, 65_500),
  };
}

/** An image of a film of JPEGs: it leaves out the usual tables. */
function withoutTables(jpeg: Buffer): Buffer {
  const pieces: Buffer[] = [jpeg.subarray(0, 2)];
  for (let at = 2; jpeg[at + 1] !== 0xda; ) {
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    if (jpeg[at + 1] !== 0xc4) pieces.push(jpeg.subarray(at, end));
    at = end;
    if (jpeg[at + 1] === 0xda) pieces.push(jpeg.subarray(at));
  }
  return Buffer.concat(pieces);
}

/** An ICC profile's segment, the first of `parts`. */
function icc(profile: Buffer, parts = 1): Buffer[] {
  return [
    jpegSegment(
      0xe2,
      Buffer.concat([Buffer.from('ICC_PROFILE\0', 'latin1'), Buffer.from([1, parts]), profile]),
    ),
  ];
}

function adobe(transform: number): Buffer {
  return jpegSegment(
    0xee,
    Buffer.concat([Buffer.from('Adobe', 'latin1'), Buffer.from([0, 100, 0, 0, 0, 0, transform])]),
  );
}

function jfif(): Buffer {
  return jpegSegment(
    0xe0,
    Buffer.concat([Buffer.from('JFIF\0', 'latin1'), Buffer.from([1, 1, 0, 0, 1, 0, 1, 0, 0])]),
  );
}

function xmp(): Buffer {
  const text =
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
    '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="8"/></rdf:RDF></x:xmpmeta>';
  return jpegSegment(0xe1, Buffer.from(`http://ns.adobe.com/xap/1.0/\0${text}`, 'latin1'));
}

/** EXIF with an orientation alone. @param type 3 for the short that it should be */
function exif(orientation: number, endian: 'little' | 'big' = 'little', type = 3): Buffer {
  return exifSegment(exifBody(orientation, endian, type));
}

function exifSegment(tiff: Buffer): Buffer {
  return jpegSegment(0xe1, Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff]));
}

/** An orientation of 6 behind the camera's maker, whose name lies at `at`. */
function withMaker(at: number): Buffer {
  const tiff = Buffer.alloc(60);
  tiff.write('II*\0', 0, 'latin1');
  tiff.writeUInt32LE(8, 4);
  tiff.writeUInt16LE(2, 8);
  for (const [i, [tag, type, count, value]] of [
    [0x010f, 2, 12, at],
    [0x0112, 3, 1, 6],
  ].entries()) {
    tiff.writeUInt16LE(tag!, 10 + 12 * i);
    tiff.writeUInt16LE(type!, 12 + 12 * i);
    tiff.writeUInt32LE(count!, 14 + 12 * i);
    tiff.writeUInt32LE(value!, 18 + 12 * i);
  }
  tiff.write('Hand-made', 40, 'latin1');
  return tiff;
}

/** The TIFF structure within EXIF, which a PNG's eXIf chunk is. */
export function exifBody(orientation: number, endian: 'little' | 'big' = 'little', type = 3): Buffer {
  const tiff = Buffer.alloc(26);
  const u16 = (value: number, at: number) =>
    endian === 'little' ? tiff.writeUInt16LE(value, at) : tiff.writeUInt16BE(value, at);
  const u32 = (value: number, at: number) =>
    endian === 'little' ? tiff.writeUInt32LE(value, at) : tiff.writeUInt32BE(value, at);
  tiff.write(endian === 'little' ? 'II' : 'MM', 0, 'latin1');
  u16(42, 2);
  u32(8, 4);
  u16(1, 8);
  u16(0x0112, 10);
  u16(type, 12);
  u32(1, 14);
  if (type === 3) u16(orientation, 18);
  else u32(orientation, 18);
  return tiff;
}
