import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import type { LoadedImage } from '../../../activities/evaluate/load-image.ts';
import { writePictures } from '../../../activities/evaluate/pictures.ts';
import { Unavailable } from '../../../core/config/failures.ts';
import type { Store } from '../../../core/store.ts';
import { stagedSet, tinyConfig } from '../../builders.ts';
import { openEvaluator, shardTask } from './shard-task.ts';

const PREFIX = 's3://bucket/runs/eval-1';

/** Writes an image's overlay and painted picture into a store. */
async function pictures(width: number, height: number, store?: (memory: Store) => Store) {
  const objects = new Map<string, Buffer>();
  const memory = memoryStore(objects);
  const config = tinyConfig('run.show={"opacity":0.5}', 'run.predictions=labels');
  const task = await shardTask(await stagedSet(), { config, overlays: ['a'] });
  const picture = { width, height, data: new Uint8Array(width * height * 3).fill(90) };
  const image: LoadedImage = {
    id: 'a',
    original: { width, height },
    picture,
    views: [],
    underlay: picture,
    labels: new Uint8Array(width * height),
    seconds: { fetch: 0, decode: 0, preprocess: 0 },
  };
  const prediction = new Uint8Array(width * height).fill(3);
  const write = () => writePictures(store?.(memory) ?? memory, task, image, prediction);
  return { objects, write };
}

async function sizeOf(picture: Buffer | undefined): Promise<[number, number]> {
  const { width, height } = await sharp(picture).metadata();
  return [width, height];
}

describe('an image of any shape has its pictures', () => {
  test.each([
    [1200, 1, [3 * 420 + 12, 1]],
    [1, 1200, [3 + 12, 1200]],
    [1, 1, [3 + 12, 1]],
    [3, 40_000, [3 + 12, 1680]],
  ])('%i×%i', async (width, height, overlay) => {
    const { objects, write } = await pictures(width, height);
    expect(await write()).toEqual([]);
    expect(await sizeOf(objects.get(`${PREFIX}/overlays/a.webp`))).toEqual(overlay);
    expect(await sizeOf(objects.get(`${PREFIX}/show/a.jpg`))).toEqual([width, height]);
  });
});

test('the map of errors has the size of one of the overlay’s three pictures', async () => {
  const { objects, write } = await pictures(840, 4);
  await write();
  const { data, info } = await sharp(objects.get(`${PREFIX}/overlays/a.errors.png`))
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([420, 2]);
  // All labels are 0, all predictions are 3.
  expect([...data.subarray(0, 4)]).toEqual([230, 57, 70, 205]);
});

test('a picture that cannot be made is left out with a warning, and what counts is written', async () => {
  // No JPEG is so wide.
  const { objects, write } = await pictures(66_000, 2);
  expect(await write()).toEqual([
    expect.stringMatching(/^s3:\/\/bucket\/runs\/eval-1\/show\/a\.jpg is left out: .+/),
  ]);
  expect([...objects.keys()].sort()).toEqual(
    ['overlays/a.errors.png', 'overlays/a.webp', 'predictions/a.png'].map((name) => `${PREFIX}/${name}`),
  );
});

test('a store that is away fails the shard, which is tried again', async () => {
  const { write } = await pictures(20, 10, (memory) => ({
    ...memory,
    write: () => Promise.reject(new Unavailable('S3 did not answer')),
  }));
  await expect(write()).rejects.toThrow(Unavailable);
});

test('a shard reports the pictures that its images lack', async () => {
  const set = await stagedSet();
  const { id } = set.manifest.images[0]!;
  const { evaluate } = openEvaluator(set.store);
  const task = await shardTask(set, { count: 1, overlays: [id] });
  expect(await evaluate(task)).not.toHaveProperty('warnings');
  const classes = {
    ...task.classes!,
    get classes(): never {
      throw new Error('no palette');
    },
  };
  const { warnings } = await evaluate({ ...task, classes });
  expect(warnings).toEqual([`${PREFIX}/overlays/${id}.webp is left out: no palette`]);
});
