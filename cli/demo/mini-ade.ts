import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import { BadInput } from '../../core/config/failures.ts';
import { makeScene } from './scenes.ts';

/** Counts up when scenes or sizes change, so that folders of older versions are made anew. */
const VERSION = 1;
const MARKER = '.mini-ade.json';
const CONTENT = ['images', 'annotations'] as const;

/** Width × height, pixels: smaller than a crop, square, portrait, and very wide, as in ADE20K. */
const SIZES = [
  [213, 160],
  [240, 180],
  [192, 192],
  [320, 240],
  [180, 240],
  [390, 130],
  [267, 200],
  [160, 120],
  [300, 260],
  [200, 267],
  [340, 226],
] as const;

/** Scenes of a seed: images of the two splits never share one. */
const SEEDS_A_SET = 100_000;
const FIRST_VALIDATION_SEED = SEEDS_A_SET / 2;

const MarkerSchema = z.object({
  version: z.number(),
  training: z.number(),
  validation: z.number(),
  seed: z.number(),
  complete: z.boolean(),
});

export interface MiniAdeOptions {
  /** Number of images. */
  training: number;
  validation: number;
  seed: number;
  onProgress?: (images: number, ofImages: number) => void;
}

/**
 * Makes a small dataset in ADE20K's layout (`images/validation/ADE_val_00000001.jpg`,
 * `annotations/validation/ADE_val_00000001.png`) out of drawn scenes; the same for the same options.
 * A complete folder is left alone; one that was interrupted or has other options is made anew.
 *
 * @throws BadInput if the folder holds images or annotations that were not made here
 */
export async function writeMiniAde(folder: string, options: MiniAdeOptions): Promise<'written' | 'kept'> {
  const { training, validation, seed, onProgress } = options;
  const wanted = { version: VERSION, training, validation, seed };
  const found = await readMarker(folder);
  if (found !== undefined && isSame(found, { ...wanted, complete: true })) return 'kept';
  const foreign = CONTENT.find((name) => existsSync(join(folder, name)));
  if (found === undefined && foreign !== undefined) {
    throw new BadInput(
      `${folder}: ${foreign}/ was not made by the demo and would be replaced; choose an empty folder`,
    );
  }
  for (const name of CONTENT) await rm(join(folder, name), { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  // Written first as well: what is left of an interrupted run is known as ours.
  await writeMarker(folder, { ...wanted, complete: false });

  const total = training + validation;
  let done = 0;
  for (const [split, prefix, count, firstSeed] of [
    ['training', 'train', training, seed * SEEDS_A_SET],
    ['validation', 'val', validation, seed * SEEDS_A_SET + FIRST_VALIDATION_SEED],
  ] as const) {
    for (const name of CONTENT) await mkdir(join(folder, name, split), { recursive: true });
    for (let index = 0; index < count; index++) {
      const id = `ADE_${prefix}_${String(index + 1).padStart(8, '0')}`;
      await writeImage(folder, split, id, firstSeed + index, SIZES[index % SIZES.length]!);
      onProgress?.(++done, total);
    }
  }
  await writeMarker(folder, { ...wanted, complete: true });
  return 'written';
}

async function writeImage(
  folder: string,
  split: string,
  id: string,
  seed: number,
  [width, height]: readonly [number, number],
): Promise<void> {
  const { rgb, labels } = makeScene(seed, width, height);
  await sharp(rgb, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 95, chromaSubsampling: '4:2:0' })
    .toFile(join(folder, 'images', split, `${id}.jpg`));
  await sharp(labels, { raw: { width, height, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toFile(join(folder, 'annotations', split, `${id}.png`));
}

type Marker = z.infer<typeof MarkerSchema>;

function isSame(a: Marker, b: Marker): boolean {
  return JSON.stringify(MarkerSchema.parse(a)) === JSON.stringify(MarkerSchema.parse(b));
}

/** Undefined if there is none; one that cannot be read counts as incomplete. */
async function readMarker(folder: string): Promise<Marker | undefined> {
  const file = join(folder, MARKER);
  if (!existsSync(file)) return undefined;
  const unreadable: Marker = { version: 0, training: 0, validation: 0, seed: 0, complete: false };
  try {
    return MarkerSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return unreadable;
  }
}

async function writeMarker(folder: string, marker: Marker): Promise<void> {
  await writeFile(join(folder, MARKER), `${JSON.stringify(marker)}\n`);
}
