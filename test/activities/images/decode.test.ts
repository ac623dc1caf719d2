import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeAnnotation, decodeImage } from '../../../activities/images/decode.ts';
import { writeMiniAde } from '../../../cli/demo/mini-ade.ts';
import { BadData } from '../../../core/config/failures.ts';
import { annotationOf, jpegOf } from '../../builders.ts';
import { readNpy } from '../../golden/check/npy.ts';
import { goldenFolder } from '../../golden-folder.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { rgbProfile } from './hand-made-icc.ts';
import { jpegSegment } from './hand-made-jpeg.ts';
import { pngOf } from './hand-made-png.ts';

const PREPROCESSING = join(goldenFolder(), 'preprocessing');
const hasBytes = (id: string) => existsSync(join(PREPROCESSING, 'decoded', `${id}_bgr.npy`));

describe('an image is decoded', () => {
  // 4:2:0, 4:4:4, progressive, restart markers, grey, rotated by EXIF.
  // The part of the golden data in the repository has some of them; its hashes of all are compared by `tessera golden`.
  test.each(['odd420', 'land444', 'prog420', 'rst420_q60', 'gray', 'exif6', 'tiny420'].filter(hasBytes))(
    '%s, to the bytes of OpenCV',
    async (id) => {
      const golden = readNpy(join(PREPROCESSING, 'decoded', `${id}_bgr.npy`));
      const image = await decodeImage(readFileSync(join(PREPROCESSING, 'images', `${id}.jpg`)), id);
      expect([image.height, image.width, 3]).toEqual(golden.shape);
      const bgr = Uint8Array.from(image.data, (_, i) => image.data[i - (i % 3) + (2 - (i % 3))]!);
      expect(bgr).toEqual(golden.data);
    },
  );

  test('grey, to three equal channels', async () => {
    const grey = await sharp(await jpegOf(20, 10))
      .greyscale()
      .jpeg()
      .toBuffer();
    const { data } = await decodeImage(grey, 'grey.jpg');
    expect(data).toHaveLength(20 * 10 * 3);
    expect(data.every((value, i) => value === data[i - (i % 3)])).toBe(true);
  });

  test('as it is seen: a quarter turn swaps its sides', async () => {
    const turned = await sharp(await jpegOf(20, 10))
      .withMetadata({ orientation: 8 })
      .toBuffer();
    expect(await decodeImage(turned, 'turned.jpg')).toMatchObject({ width: 10, height: 20 });
  });

  test('without an alpha channel, which the network has no place for', async () => {
    const transparent = await sharp(await jpegOf(20, 10))
      .ensureAlpha(0.5)
      .png()
      .toBuffer();
    expect((await decodeImage(transparent, 'x.png')).data).toHaveLength(20 * 10 * 3);
  });
});

test("the demo's images have the same pixels with a profile of a wide gamut in them", async () => {
  const folder = temporaryFolder();
  await writeMiniAde(folder, { training: 1, validation: 12, seed: 1 });
  const images = join(folder, 'images/validation');
  const profile = jpegSegment(0xe2, Buffer.concat([Buffer.from('ICC_PROFILE\0\x01\x01'), rgbProfile()]));
  for (const file of readdirSync(images)) {
    const plain = readFileSync(join(images, file));
    const profiled = Buffer.concat([plain.subarray(0, 2), profile, plain.subarray(2)]);
    // A decoder that applies the profile gives other pixels, which this test would notice.
    const converted = await sharp(profiled).toColourspace('srgb').raw().toBuffer();
    const { data } = await decodeImage(plain, file);
    expect(converted.equals(data)).toBe(false);
    expect((await decodeImage(profiled, file)).data).toEqual(data);
  }
});

describe('an image is BadData by its name', () => {
  test.each([
    ['that is cut off', async () => (await jpegOf(200, 200)).subarray(0, 9000)],
    ['that lacks its last bytes', async () => (await jpegOf(200, 200)).subarray(0, -40)],
    ['that is something else', async () => Buffer.from('<html>not found</html>')],
    ['that is empty', async () => Buffer.alloc(0)],
  ])('%s', async (_, bytes) => {
    const refusal = decodeImage(await bytes(), 's3://bucket/a.jpg');
    await expect(refusal).rejects.toThrow(BadData);
    await expect(refusal).rejects.toThrow('s3://bucket/a.jpg: not a readable image: ');
  });
});

describe('an annotation gives its values as they stand in the file', () => {
  test('grey of 8 bits', async () => {
    const data = Uint8Array.of(0, 150, 255, 7, 8, 9);
    const png = encode({ width: 3, height: 2, data, channels: 1, depth: 8 });
    expect(await decodeAnnotation(png, 'a.png')).toEqual({ width: 3, height: 2, data });
  });

  test('of a palette the index, not the colour', async () => {
    const palette = [
      [10, 20, 30],
      [40, 50, 60],
      [70, 80, 90],
    ];
    const png = pngOf({ width: 3, height: 1, depth: 8, color: 'palette', palette, rows: [[2, 0, 1]] });
    expect([...(await decodeAnnotation(png, 'a.png')).data]).toEqual([2, 0, 1]);
  });

  test.each([
    [
      1,
      [
        [0b10110100, 0b10000000],
        [0b01001011, 0],
      ],
      [1, 0, 1, 1, 0, 1, 0, 0, 1],
      [0, 1, 0, 0, 1, 0, 1, 1, 0],
    ],
    [
      2,
      [
        [0b00011011, 0b11100100, 0b01000000],
        [0, 0, 0],
      ],
      [0, 1, 2, 3, 3, 2, 1, 0, 1],
      [0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    [
      4,
      [
        [0x01, 0x23, 0x45, 0x67, 0x80],
        [0, 0, 0, 0, 0xf0],
      ],
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
      [0, 0, 0, 0, 0, 0, 0, 0, 15],
    ],
  ] as const)('a palette of %i bits, whose rows end within a byte', async (depth, rows, first, second) => {
    const palette = Array.from({ length: 2 ** depth }, (_, i) => [i, 255 - i, 7]);
    const png = pngOf({ width: 9, height: 2, depth, color: 'palette', palette, rows });
    const { data, width, height } = await decodeAnnotation(png, 'a.png');
    expect([width, height, ...data]).toEqual([9, 2, ...first, ...second]);
  });

  test('the golden palette image', async () => {
    const { data } = await decodeAnnotation(
      readFileSync(join(PREPROCESSING, 'annotations/palette_P.png')),
      'p',
    );
    expect(data).toEqual(readNpy(join(PREPROCESSING, 'annotations/palette_P_reduce0.npy')).data);
  });
});

describe('an annotation is BadData by its name', () => {
  const encoded = (channels: number, depth: 8 | 16) => {
    const data = depth === 16 ? new Uint16Array(4 * channels) : new Uint8Array(4 * channels);
    return encode({ width: 2, height: 2, data, channels, depth });
  };

  test.each([
    ['in colours of 16 bits', encoded(3, 16), /RGB of 16 bits, expected one channel/],
    ['in colour', encoded(3, 8), /RGB of 8 bits, expected one channel/],
    ['with an alpha channel', encoded(2, 8), /grey with alpha of 8 bits, expected one channel/],
    ['that is cut off', annotationOf(40, 40).subarray(0, -30), /not a readable annotation: it is cut off/],
    ['that is no PNG', Buffer.from('GIF89a'), /not a readable annotation: a GIF file/],
  ])('%s', async (_, png, message) => {
    await expect(decodeAnnotation(png, 's3://bucket/a.png')).rejects.toThrow(BadData);
    await expect(decodeAnnotation(png, 's3://bucket/a.png')).rejects.toThrow(message);
    await expect(decodeAnnotation(png, 's3://bucket/a.png')).rejects.toThrow(/^s3:\/\/bucket\/a\.png: /);
  });

  test('whose bytes were changed: its checksum is read', async () => {
    const rows = [[1, 2, 3]];
    const palette = [[0, 0, 0]];
    const png = pngOf({ width: 3, height: 1, depth: 8, color: 'palette', palette, rows });
    const other = pngOf({ width: 3, height: 1, depth: 8, color: 'palette', palette, rows: [[1, 2, 4]] });
    // The other's pixels under the first one's checksum.
    const at = png.indexOf(deflateSync(Buffer.from([0, 1, 2, 3])));
    deflateSync(Buffer.from([0, 1, 2, 4])).copy(png, at);
    expect(png.length).toBe(other.length);
    await expect(decodeAnnotation(png, 'a.png')).rejects.toThrow(BadData);
  });
});
