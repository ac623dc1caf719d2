import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { stageDataset } from '../../../activities/stage/stage-dataset.ts';
import { BadData, BadInput } from '../../../core/config/failures.ts';
import { DatasetManifestSchema } from '../../../core/config/manifests.ts';
import type { Store } from '../../../core/store.ts';
import { annotationOf, jpegOf, sha256 } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const HOOKS = { signal: new AbortController().signal, onProgress: () => {} };
const IDS = ['b', 'a', 'B', 'a_2'];

/** A folder in the layout, its images of 40×30 and so on, and what stages it. */
async function datasetFolder(ids = IDS) {
  const source = temporaryFolder();
  const input = {
    source,
    destination: 's3://bucket/ade',
    name: 'ADE20K',
    split: 'validation',
    imageDir: 'images',
    annotationDir: 'annotations',
    imageSuffix: '.jpg',
    annotationSuffix: '.png',
  };
  mkdirSync(join(source, 'images'));
  mkdirSync(join(source, 'annotations'));
  for (const [i, id] of ids.entries()) {
    writeFileSync(join(source, 'images', `${id}.jpg`), await jpegOf(40 + i, 30, i));
    writeFileSync(join(source, 'annotations', `${id}.png`), annotationOf(40 + i, 30, i));
  }
  const objects = new Map<string, Buffer>();
  const writes: string[] = [];
  const memory = memoryStore(objects);
  const store: Store = {
    ...memory,
    write: async (uri, body) => {
      writes.push(uri.slice('s3://bucket/ade/'.length));
      await memory.write(uri, body);
    },
  };
  return { source, input, store, objects, writes, stage: () => stageDataset(store, input, HOOKS) };
}

describe('a dataset that is staged', () => {
  test('lies below its destination, and its manifest says what lies there', async () => {
    const { stage, objects } = await datasetFolder();
    const staged = await stage();
    expect(staged).toMatchObject({ uri: 's3://bucket/ade', uploadedFiles: 8, totalFiles: 8 });
    const bytes = objects.get(staged.manifestUri)!;
    expect(staged.manifestUri).toBe('s3://bucket/ade/validation.manifest.json');
    expect(staged.manifestSha256).toBe(sha256(bytes));

    const { images } = DatasetManifestSchema.parse(JSON.parse(bytes.toString()));
    const files = images.flatMap(({ image, annotation }) => [image, annotation!]);
    for (const file of files) {
      const object = objects.get(`s3://bucket/ade/${file.key}`)!;
      expect([file.sizeBytes, file.sha256]).toEqual([object.length, sha256(object)]);
    }
    expect(staged.uploadedBytes).toBe(files.reduce((sum, file) => sum + file.sizeBytes, 0));
    expect(objects.get('s3://bucket/ade/annotations/b.png')).toEqual(annotationOf(40, 30, 0));
  });

  test("has its images in Python's order of names, with their sizes", async () => {
    const { stage, objects } = await datasetFolder();
    const { images } = JSON.parse(objects.get((await stage()).manifestUri)!.toString());
    const seen = images.map(({ id, width, height }: Record<string, unknown>) => [id, width, height]);
    expect(seen).toEqual([
      ['B', 42, 30],
      ['a', 41, 30],
      ['a_2', 43, 30],
      ['b', 40, 30],
    ]);
  });

  test('has the sizes that images are seen in, rotated by EXIF', async () => {
    const { stage, objects, source } = await datasetFolder(['a']);
    writeFileSync(join(source, 'annotations/a.png'), annotationOf(30, 40));
    const rotated = await sharp(await jpegOf(40, 30))
      .withMetadata({ orientation: 6 })
      .toBuffer();
    writeFileSync(join(source, 'images/a.jpg'), rotated);
    const { images } = JSON.parse(objects.get((await stage()).manifestUri)!.toString());
    expect(images[0]).toMatchObject({ width: 30, height: 40 });
  });

  test('gets its manifest last, so that it never names what is not there', async () => {
    const { stage, writes } = await datasetFolder();
    await stage();
    expect(writes.at(-1)).toBe('validation.manifest.json');
  });
});

describe('staging again', () => {
  test('uploads nothing if nothing changed, not even the manifest', async () => {
    const { stage, writes } = await datasetFolder();
    const first = await stage();
    writes.length = 0;
    const second = await stage();
    expect(second).toEqual({ ...first, uploadedFiles: 0, uploadedBytes: 0 });
    expect(writes).toEqual([]);
  });

  test('uploads a changed file only, and the manifest', async () => {
    const { stage, writes, source } = await datasetFolder();
    const first = await stage();
    writes.length = 0;
    const corrected = annotationOf(41, 30, 77);
    writeFileSync(join(source, 'annotations/a.png'), corrected);
    const second = await stage();
    expect(second).toMatchObject({ uploadedFiles: 1, uploadedBytes: corrected.length });
    expect(second.manifestSha256).not.toBe(first.manifestSha256);
    expect(writes).toEqual(['annotations/a.png', 'validation.manifest.json']);
  });

  test('replaces a manifest that cannot be read', async () => {
    const { stage, objects } = await datasetFolder();
    const first = await stage();
    objects.set(first.manifestUri, Buffer.from('{"version": 0'));
    expect(await stage()).toEqual(first);
  });
});

describe('a folder is refused', () => {
  test('without the annotation of an image, naming both', async () => {
    const { stage, source, objects } = await datasetFolder();
    rmSync(join(source, 'annotations/a_2.png'));
    await expect(stage()).rejects.toThrow(BadInput);
    await expect(stage()).rejects.toThrow(
      `${source}/annotations/a_2.png: missing, the annotation of images/a_2.jpg`,
    );
    expect(objects.has('s3://bucket/ade/validation.manifest.json')).toBe(false);
  });

  test('that is not there, saying what was expected', async () => {
    const { stage, source } = await datasetFolder();
    rmSync(join(source, 'images'), { recursive: true });
    await expect(stage()).rejects.toThrow(BadInput);
    await expect(stage()).rejects.toThrow(`${source}/images: no such folder; expected the dataset's layout`);
  });

  test('without images of the suffix', async () => {
    const { stage, source } = await datasetFolder([]);
    writeFileSync(join(source, 'images/a.jpeg'), 'of another suffix');
    await expect(stage()).rejects.toThrow(BadInput);
    await expect(stage()).rejects.toThrow(`${source}/images: no .jpg files in it`);
  });

  test('with a file that is no image, naming it', async () => {
    const { stage, source } = await datasetFolder();
    writeFileSync(join(source, 'images/b.jpg'), '<html>not found</html>');
    await expect(stage()).rejects.toThrow(BadData);
    await expect(stage()).rejects.toThrow(`${source}/images/b.jpg: not a readable image`);
  });

  test('by a request with a typo, naming the nearest key', async () => {
    const { store, input } = await datasetFolder();
    const request = { ...input, spilt: 'test' };
    await expect(stageDataset(store, request, HOOKS)).rejects.toThrow(
      'StageDataset input: unknown key spilt; did you mean split?',
    );
  });
});

test('progress counts images, and a stop is heard', async () => {
  const { store, input } = await datasetFolder();
  const progress: number[][] = [];
  const onProgress = (done: number, total: number) => void progress.push([done, total]);
  await stageDataset(store, input, { ...HOOKS, onProgress });
  expect(progress).toEqual([1, 2, 3, 4].map((done) => [done, 4]));

  const stop = new AbortController();
  stop.abort(new Error('told to stop'));
  const stopped = stageDataset(store, input, { ...HOOKS, signal: stop.signal });
  await expect(stopped).rejects.toThrow('told to stop');
});

test('a split without annotations is staged as it is, from a layout that has none', async () => {
  const { source, input, store, objects } = await datasetFolder();
  rmSync(join(source, 'annotations'), { recursive: true });
  const { annotationDir: _, ...images } = input;
  await expect(stageDataset(store, input, HOOKS)).rejects.toThrow(/no such folder; .*--no-annotations/);
  const staged = await stageDataset(store, { ...images, split: 'testing', check: true }, HOOKS);
  expect(staged).toMatchObject({ uploadedFiles: 4, totalFiles: 4, leftOut: [] });
  const manifest = DatasetManifestSchema.parse(JSON.parse(objects.get(staged.manifestUri)!.toString()));
  expect(manifest.images.map(({ annotation }) => annotation)).toEqual(IDS.map(() => undefined));
  expect(manifest.images[0]).toMatchObject({ height: 30 });
  // The same again sends nothing.
  expect(await stageDataset(store, { ...images, split: 'testing' }, HOOKS)).toMatchObject({
    uploadedFiles: 0,
  });
});
