import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeMiniAde } from '../../../cli/demo/mini-ade.ts';
import { makeScene } from '../../../cli/demo/scenes.ts';

const options = { training: 2, validation: 3, seed: 7 };
const firstImage = 'images/validation/ADE_val_00000001.jpg';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mini-ade-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function files(): Promise<string[]> {
  const all = await readdir(folder, { recursive: true });
  return all.filter((name) => /\.(jpg|png)$/.test(name)).sort();
}

describe('the mini ADE20K', () => {
  test('has the layout of ADEChallengeData2016', async () => {
    const progress: string[] = [];
    await writeMiniAde(folder, {
      ...options,
      onProgress: (done, total) => progress.push(`${done}/${total}`),
    });
    const ids = ['training/ADE_train_00000001', 'training/ADE_train_00000002'].concat(
      [1, 2, 3].map((number) => `validation/ADE_val_0000000${number}`),
    );
    expect(await files()).toEqual([
      ...ids.map((id) => `annotations/${id}.png`),
      ...ids.map((id) => `images/${id}.jpg`),
    ]);
    expect(progress).toEqual(['1/5', '2/5', '3/5', '4/5', '5/5']);
  });

  test('images are 4:2:0 JPEGs, annotations grey PNGs of the same size that hold the labels', async () => {
    await writeMiniAde(folder, options);
    const image = await sharp(join(folder, firstImage)).metadata();
    expect(image).toMatchObject({ format: 'jpeg', chromaSubsampling: '4:2:0', width: 213, height: 160 });
    const png = decode(await readFile(join(folder, 'annotations/validation/ADE_val_00000001.png')));
    expect(png).toMatchObject({ width: 213, height: 160, channels: 1, depth: 8 });
    expect(Buffer.from(png.data)).toEqual(Buffer.from(makeScene(750_000, 213, 160).labels));
  });

  test('a complete folder is left alone, an incomplete one or one of other options made anew', async () => {
    expect(await writeMiniAde(folder, options)).toBe('written');
    const { mtimeMs } = await stat(join(folder, firstImage));
    expect(await writeMiniAde(folder, options)).toBe('kept');
    expect((await stat(join(folder, firstImage))).mtimeMs).toBe(mtimeMs);

    expect(await writeMiniAde(folder, { ...options, validation: 1 })).toBe('written');
    expect(await files()).toHaveLength(6);

    await writeFile(join(folder, '.mini-ade.json'), '{"version":');
    expect(await writeMiniAde(folder, options)).toBe('written');
    expect(await files()).toHaveLength(10);
  });

  test('an interrupted run is made anew', async () => {
    const interrupted = writeMiniAde(folder, {
      ...options,
      onProgress: () => {
        throw new Error('interrupted');
      },
    });
    await expect(interrupted).rejects.toThrow('interrupted');
    expect(await writeMiniAde(folder, options)).toBe('written');
    expect(await files()).toHaveLength(10);
  });

  test("a dataset that is somebody else's is never replaced", async () => {
    await mkdir(join(folder, 'images/validation'), { recursive: true });
    await writeFile(join(folder, firstImage), 'precious');
    await expect(writeMiniAde(folder, options)).rejects.toThrow(/images\/ was not made by the demo/);
    expect(await readFile(join(folder, firstImage), 'utf8')).toBe('precious');
  });
});
