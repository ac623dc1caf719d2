import { BadInput } from '../config/failures.ts';
import type { TrainConfig } from '../config/train.ts';
import { type Draws, drawsAt } from './draws.ts';

/** What fixes the order in which a training sees its images. */
export interface SampleOrder {
  seed: number;
  /** Crops of one step. */
  batch: number;
  imageCount: number;
}

/**
 * Which image a sample is of: each epoch is all images, shuffled anew; a step's batch may end one and begin the next.
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
 * The images that a training draws from: all of the split, or, for few-shot, `data.images` of them. These are the
 * original's number, but not the original's images: it shuffles the file names by the seed of its run (random if none
 * is given, and not recorded in the configs) and keeps the first. We do the same by `train.seed`. The first ones in
 * the order of names would not do: ADE20K's names go by the kind of scene.
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

/** A training asks for one epoch's order over and over; shuffling 20,000 images for each would cost a millisecond. */
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
