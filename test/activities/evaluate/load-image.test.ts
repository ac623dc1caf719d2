import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { loadImage } from '../../../activities/evaluate/load-image.ts';
import { BadData, NotFound } from '../../../core/config/failures.ts';
import type { ManifestImage } from '../../../core/config/manifests.ts';
import { annotationOf, jpegOf, sha256, tinyConfig } from '../../builders.ts';
import { pngOf } from '../images/hand-made-png.ts';

const ROOT = 's3://bucket/data';

/** An image and its annotation as staged: 40×30 unless told otherwise. */
async function stagedImage({ image, annotation }: { image?: Buffer; annotation?: Buffer } = {}) {
  const files = {
    'images/a.jpg': image ?? (await jpegOf(40, 30)),
    'annotations/a.png': annotation ?? annotationOf(40, 30),
  };
  const objects = new Map(Object.entries(files).map(([key, bytes]) => [`${ROOT}/${key}`, bytes]));
  const stage = (key: keyof typeof files) => ({
    key,
    sizeBytes: files[key].length,
    sha256: sha256(files[key]),
  });
  const entry: ManifestImage = {
    id: 'a',
    width: 40,
    height: 30,
    image: stage('images/a.jpg'),
    annotation: stage('annotations/a.png'),
  };
  const load = (config = tinyConfig()) => loadImage(memoryStore(objects), ROOT, entry, config);
  return { objects, load };
}

/** An annotation of one row with these values; its image is as wide. */
async function labelled(...values: number[]) {
  const annotation = pngOf({ width: values.length, height: 1, depth: 8, color: 'grey', rows: [values] });
  return stagedImage({ annotation, image: await jpegOf(values.length, 1) });
}

describe('an image is loaded', () => {
  test("in its own size, in the network's, and with labels of its own size", async () => {
    const { load } = await stagedImage();
    const { id, original, views, labels } = await load();
    const input = views[0]!.image;
    expect(id).toBe('a');
    expect([original.width, original.height]).toEqual([40, 30]);
    // Short side to 28: 37×28; then up to multiples of 14.
    expect([input.width, input.height]).toEqual([42, 28]);
    expect(labels).toHaveLength(40 * 30);
  });

  test('with label 0 ignored and the others moved down', async () => {
    const { load } = await labelled(0, 1, 150, 255);
    expect([...(await load()).labels]).toEqual([255, 0, 149, 255]);
  });

  test('with labels as they are, where the config says so', async () => {
    const { load } = await labelled(0, 1, 149, 255);
    const config = tinyConfig('dataset.reduceZeroLabel=false');
    expect([...(await load(config)).labels]).toEqual([0, 1, 149, 255]);
  });
});

describe('an image is refused by the address of the object', () => {
  test.each(['images/a.jpg', 'annotations/a.png'])('if %s is not what was staged', async (key) => {
    const { load, objects } = await stagedImage();
    const other = key.endsWith('jpg') ? await jpegOf(40, 30, 2) : annotationOf(40, 30, 2);
    objects.set(`${ROOT}/${key}`, other);
    await expect(load()).rejects.toThrow(BadData);
    await expect(load()).rejects.toThrow(`${ROOT}/${key}: not the bytes that were staged`);
  });

  test('if it is gone', async () => {
    const { load, objects } = await stagedImage();
    objects.delete(`${ROOT}/images/a.jpg`);
    await expect(load()).rejects.toThrow(NotFound);
  });

  test.each([
    [39, 30],
    [40, 31],
  ])('if its annotation has another size: %i×%i', async (width, height) => {
    const { load } = await stagedImage({ annotation: annotationOf(width, height) });
    await expect(load()).rejects.toThrow(BadData);
    await expect(load()).rejects.toThrow(
      `${ROOT}/annotations/a.png: ${width}×${height} px, but its image is 40×30`,
    );
  });

  test('if EXIF turns the image and nothing turns the annotation', async () => {
    const image = await sharp(await jpegOf(40, 30))
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const { load } = await stagedImage({ image });
    await expect(load()).rejects.toThrow(BadData);
    await expect(load()).rejects.toThrow(
      `${ROOT}/annotations/a.png: 40×30 px, but its image is 30×40 when it is turned by its EXIF orientation 6`,
    );
  });

  test('if a label is of no class: which, where, and what was expected', async () => {
    const { load } = await labelled(0, 150, 151, 255);
    await expect(load()).rejects.toThrow(BadData);
    await expect(load()).rejects.toThrow(
      `${ROOT}/annotations/a.png: label 151 at x=2, y=0; expected 0 to 150, or 255 to ignore`,
    );
    const unreduced = tinyConfig('dataset.reduceZeroLabel=false');
    await expect(load(unreduced)).rejects.toThrow('label 150 at x=1, y=0; expected 0 to 149');
  });

  test('if it was damaged before it was staged', async () => {
    const { load } = await stagedImage({ image: (await jpegOf(40, 30)).subarray(0, -60) });
    await expect(load()).rejects.toThrow(`${ROOT}/images/a.jpg: not a readable image`);
  });
});
