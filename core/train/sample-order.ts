import { BadInput } from '../config/failures.ts';
import type { TrainConfig } from '../config/train.ts';
import { type Draws, drawsAt } from './draws.ts';

/** Parameters that determine the order of a training's images. */
export interface SampleOrder {
  seed: number;
  /** Crops of one step. */
  batch: number;
  imageCount: number;
}

/**
 * The image of a sample. Each epoch is a new shuffle of all images; a step's batch may span two epochs.
 *
 * @param step from 0
 * @param slot from 0 to `batch` − 1
 * @returns index below `imageCount`
 */
export function sampleAt({ seed, batch, imageCount }: SampleOrder, step: number, slot: number): number {
  const position = step * batch + slot;
  return epochOrder(seed, Math.floor(position / imageCount), imageCount)[position % imageCount]!;
}

/**
 * The images that a training draws from: all of the split, or `data.images` of them for few-shot. The number is the
 * original's, but the images differ: the original shuffles the file names with its run's seed (random by default, and
 * not recorded in the configs) and takes the first. Tessera shuffles with `train.seed`. The first images in name order
 * would be biased: ADE20K's names are sorted by scene.
 *
 * @param images the split's, in the manifest's order
 * @throws BadInput if the split has too few
 * @see InternVL `mmseg_custom/datasets/ade.py`, `max_image_num`
 */
export function trainingImages<T>(images: T[], { seed, data }: Pick<TrainConfig, 'seed' | 'data'>): T[] {
  const { images: wanted, split } = data;
  if (wanted === undefined) return images;
  if (wanted > images.length)
    throw new BadInput(`train.data.images is ${wanted}, but the split ${split} has ${images.length} images`);
  const order = shuffled(images.length, drawsAt(seed, 'few-shot'));
  return Array.from(order.subarray(0, wanted), (index) => images[index]!);
}

/** Cache of one epoch's order, which every sample needs: shuffling 20,000 images takes a millisecond. */
let latest: { key: string; order: Uint32Array } = { key: '', order: new Uint32Array() };

function epochOrder(seed: number, epoch: number, imageCount: number): Uint32Array {
  const key = `${seed}/${epoch}/${imageCount}`;
  if (latest.key !== key) latest = { key, order: shuffled(imageCount, drawsAt(seed, 'epoch', epoch)) };
  return latest.order;
}

/** 0 to count − 1 in a random order (Fisher–Yates). */
function shuffled(count: number, draws: Draws): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = draws.integer(0, i + 1);
    const moved = order[i]!;
    order[i] = order[j]!;
    order[j] = moved;
  }
  return order;
}
