import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { stageDataset } from '../../../activities/stage/stage-dataset.ts';
import { BadData, BadInput, NotFound } from '../../../core/config/failures.ts';
import type { StageDatasetInput } from '../../../core/config/stage.ts';
import type { Store } from '../../../core/store.ts';
import { annotationOf, createRandom, jpegOf } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { jpegOfNoise, jpegSegment } from '../images/hand-made-jpeg.ts';
import { pngChunk } from '../images/hand-made-png.ts';
import { exifBody } from '../images/jpegs-to-read.ts';
import { zipOf } from './hand-made-zip.ts';

const LAYOUT = {
  imageDir: 'images',
  annotationDir: 'annotations',
  imageSuffix: '.jpg',
  annotationSuffix: '.png',
};
const SAMPLING = [
  [2, 2],
  [1, 1],
  [1, 1],
] as const;

type Files = Record<string, Buffer | string | null>;

/** Two images of 40×30 that are as they should be, and other files; null takes one away. */
async function dataset(others: Files = {}): Promise<Record<string, Buffer>> {
  const files: Files = {
    'images/a.jpg': await jpegOf(40, 30, 1),
    'annotations/a.png': annotationOf(40, 30, 1),
    'images/b.jpg': await jpegOf(40, 30, 2),
    'annotations/b.png': annotationOf(40, 30, 2),
    ...others,
  };
  const present = Object.entries(files).filter(([, content]) => content !== null);
  return Object.fromEntries(present.map(([name, content]) => [name, Buffer.from(content!)]));
}

/** A folder with these files, and what stages it into a store that notes what is written. */
function folderOf(files: Record<string, Buffer>) {
  const source = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(source, name)), { recursive: true });
    writeFileSync(join(source, name), content);
  }
  return stagerOf(source);
}

function zipFileOf(files: Record<string, Buffer>, deflated = true) {
  const source = join(temporaryFolder(), 'ade.zip');
  writeFileSync(source, zipOf(Object.entries(files).map(([name, data]) => ({ name, data, deflated }))));
  return stagerOf(source);
}

function stagerOf(source: string) {
  const objects = new Map<string, Buffer>();
  const memory = memoryStore(objects);
  const progress: number[][] = [];
  const stage = (options: Partial<StageDatasetInput> = {}, store: Store = memory) =>
    stageDataset(
      store,
      { source, destination: 's3://bucket/ade', name: 'ADE20K', ...LAYOUT, ...options },
      {
        signal: new AbortController().signal,
        onProgress: (done, total) => void progress.push([done, total]),
      },
    );
  return { source, objects, memory, progress, stage };
}

async function turned(width: number, height: number): Promise<Buffer> {
  return sharp(await jpegOf(width, height))
    .withMetadata({ orientation: 6 })
    .toBuffer();
}

function colourPng(): Buffer {
  const data = new Uint8Array(40 * 30 * 3);
  return Buffer.from(encode({ width: 40, height: 30, data, channels: 3, depth: 8 }));
}

/** An annotation whose header is right and whose pixels are damaged. */
function damagedAnnotation(): Buffer {
  const png = annotationOf(40, 30, 2);
  png[png.length - 20]! ^= 1;
  return png;
}

describe('what is wrong with a dataset', () => {
  test.each([
    ['folder', folderOf],
    ['zip', zipFileOf],
  ])('is listed at once, before anything of a %s is sent', async (_, make) => {
    const { stage, objects } = make(
      await dataset({
        'images/c.jpg': await turned(40, 30),
        'annotations/c.png': annotationOf(40, 30),
        'images/d.jpg': await jpegOf(40, 30),
        'annotations/d.png': annotationOf(41, 30),
        'images/e.jpg': await jpegOf(40, 30),
        'annotations/e.png': colourPng(),
        'images/f.jpg': await sharp(await jpegOf(40, 30))
          .webp()
          .toBuffer(),
        'annotations/f.png': annotationOf(40, 30),
        'images/g.jpg': await jpegOf(40, 30),
      }),
    );
    const failure = await stage().catch((error) => error);
    expect(failure).toBeInstanceOf(BadData);
    const [summary, ...lines] = failure.message.split('\n');
    expect(summary).toBe('5 of 7 images cannot be staged:');
    expect(lines).toHaveLength(5);
    for (const expected of [
      /annotations\/c\.png: 40×30 px, but its image is 30×40 when it is turned by its EXIF orientation 6/,
      /annotations\/d\.png: 41×30 px, but its image is 40×30$/,
      /annotations\/e\.png: not a readable annotation: RGB of 8 bits, expected one channel/,
      /images\/f\.jpg: not a readable image: a WebP file, expected JPEG or PNG; convert it to PNG/,
      /annotations\/g\.png: missing, the annotation of images\/g\.jpg/,
    ])
      expect(lines).toContainEqual(expect.stringMatching(expected));
    expect([...objects.keys()]).toEqual([]);
  });

  test('is counted where it is too much to be listed', async () => {
    const { source, stage } = folderOf(await dataset());
    for (let i = 10; i < 40; i++) writeFileSync(join(source, `images/${i}.jpg`), 'GIF89a');
    const { message } = await stage().catch((error) => error);
    expect(message).toMatch(/^30 of 32 images cannot be staged:/);
    expect(message).toMatch(/images\/10\.jpg: not a readable image: a GIF file[\s\S]*… and 10 more$/);
    expect(message.split('\n')).toHaveLength(22);
  });

  test('is refused by its header if it is too large, or no image at all', async () => {
    const large = jpegOfNoise({ width: 45, height: 37, sampling: SAMPLING });
    const frame = large.indexOf(Buffer.from([0xff, 0xc0]));
    large.writeUInt16BE(12_000, frame + 5);
    large.writeUInt16BE(9_000, frame + 7);
    const { stage } = folderOf(await dataset({ 'images/b.jpg': large }));
    await expect(stage()).rejects.toThrow(
      /b\.jpg: not a readable image: 9000×12000 px are 108 million pixels; at most 100 million are read/,
    );
  });

  test.each([
    ['of a folder', folderOf],
    ['of a zip', zipFileOf],
    ['of a zip that compresses nothing', (files: Record<string, Buffer>) => zipFileOf(files, false)],
  ])('is found in a header of any length %s, and before pixels of any number', async (_, make) => {
    const random = createRandom(5);
    const profile = () =>
      jpegSegment(
        0xe2,
        Uint8Array.from({ length: 60_000 }, () => 256 * random()),
      );
    const segments = [profile(), profile(), profile()];
    const long = jpegOfNoise({ width: 41, height: 30, sampling: SAMPLING, segments });
    const many = jpegOfNoise({ width: 641, height: 480, sampling: SAMPLING });
    expect(many.length).toBeGreaterThan(100_000);
    const files = { 'images/b.jpg': long, 'images/c.jpg': many, 'annotations/c.png': annotationOf(640, 480) };
    const { stage, objects } = make(await dataset(files));
    const { message } = await stage().catch((error) => error);
    expect(message).toMatch(/annotations\/b\.png: 40×30 px, but its image is 41×30\n/);
    expect(message).toMatch(/annotations\/c\.png: 640×480 px, but its image is 641×480$/);
    expect([...objects.keys()]).toEqual([]);
  });

  test('is found at the end of a file as well, and no manifest is written', async () => {
    const cut = async (seed: number) => (await jpegOf(40, 30, seed)).subarray(0, -2);
    const { stage, objects } = folderOf(
      await dataset({ 'images/a.jpg': await cut(1), 'images/b.jpg': await cut(2) }),
    );
    const failure = await stage().catch((error) => error);
    expect(failure).toBeInstanceOf(BadData);
    expect(failure.message).toMatch(/^2 of 2 images cannot be staged:/);
    expect(failure.message).toMatch(/a\.jpg: it is cut off[\s\S]*b\.jpg: it is cut off/);
    expect([...objects.keys()].filter((uri) => uri.endsWith('.json'))).toEqual([]);
  });

  test('within its pixels is found by decoding, if that is asked for', async () => {
    const { stage, objects, progress } = folderOf(
      await dataset({ 'annotations/b.png': damagedAnnotation() }),
    );
    await expect(stage({ check: true })).rejects.toThrow(
      /annotations\/b\.png: not a readable annotation: its IDAT chunk is damaged/,
    );
    expect([...objects.keys()]).toEqual([]);
    expect(progress.at(-1)).toEqual([2, 4]);
    expect(await stage()).toMatchObject({ totalFiles: 4 });
  });

  test('is not noted as a problem of files if the destination fails', async () => {
    const { stage, memory } = folderOf(await dataset());
    const write = () => Promise.reject(new NotFound('bucket', 's3://bucket'));
    await expect(stage({}, { ...memory, write })).rejects.toThrow('s3://bucket: the bucket does not exist');
  });
});

test('a dataset of which every file is decoded is staged as one of which none is', async () => {
  const { stage, objects, progress } = folderOf(await dataset());
  await stage({ check: true });
  const checked = new Map(objects);
  expect(progress).toEqual([1, 2, 3, 4].map((done) => [done, 4]));
  objects.clear();
  await stage();
  expect(objects).toEqual(checked);
});

test('an orientation at the end of a PNG turns its image', async () => {
  const png = Buffer.from(
    await sharp(await jpegOf(40, 30))
      .png()
      .toBuffer(),
  );
  const image = Buffer.concat([png.subarray(0, -12), pngChunk('eXIf', exifBody(6)), png.subarray(-12)]);
  const { stage, objects } = folderOf(
    await dataset({ 'images/b.jpg': image, 'annotations/b.png': annotationOf(30, 40) }),
  );
  const { images } = JSON.parse(objects.get((await stage()).manifestUri)!.toString());
  expect(images[1]).toMatchObject({ id: 'b', width: 30, height: 40 });
});

describe('what is left out is reported', () => {
  test.each([
    ['folder', folderOf],
    ['zip', zipFileOf],
  ])('of a %s: files of other suffixes, and annotations without an image', async (_, make) => {
    const { stage } = make(
      await dataset({
        'images/x.JPG': 'x',
        'images/y.jpeg': 'y',
        'images/.hidden': 'z',
        'images/deep/z.txt': 'z',
        'images/0.png': '0',
        'annotations/q.png': 'q',
        'annotations/q.txt': 'q',
      }),
    );
    const { leftOut } = await stage();
    expect(leftOut).toHaveLength(2);
    expect(leftOut![0]).toMatch(
      /images: no \.jpg files, left out: 0\.png, deep\/z\.txt, x\.JPG, … \(4 files\)$/,
    );
    expect(leftOut![1]).toMatch(/annotations: annotations without an image in images\/, left out: q\.png$/);
  });

  test('of a split: how many images its file does not list', async () => {
    const { stage } = folderOf(await dataset({ 'val.txt': 'b\n' }));
    const { leftOut, totalFiles } = await stage({ splitFile: 'val.txt' });
    expect(totalFiles).toBe(2);
    expect(leftOut).toEqual([expect.stringMatching(/images: not listed in val\.txt, left out: a\.jpg$/)]);
  });

  test('and nothing is reported if there is nothing', async () => {
    const { stage } = folderOf(await dataset());
    expect((await stage()).leftOut).toEqual([]);
  });
});

test('a dataset without a folder of annotations is refused by that', async () => {
  const { source, stage } = folderOf(await dataset());
  rmSync(join(source, 'annotations'), { recursive: true });
  await expect(stage()).rejects.toThrow(BadInput);
  await expect(stage()).rejects.toThrow(
    `${source}/annotations: no such folder; expected the annotations of images/`,
  );
});
