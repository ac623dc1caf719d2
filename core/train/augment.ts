import type { TrainConfig } from '../config/train.ts';
import { cropLabels, flipLabels, IGNORED_LABEL, type LabelMap, resizeNearest } from '../image/label-map.ts';
import { flipHorizontally } from '../image/preprocess.ts';
import { type RgbImage, resizeWindow, type Window } from '../image/resize.ts';
import { rescale, type Size } from '../image/test-size.ts';
import type { Draws } from './draws.ts';
import { distort } from './photometric.ts';

/** An image and the class of each of its pixels, of the same size. */
export interface LabelledImage {
  image: RgbImage;
  labels: LabelMap;
}

type Augmentation = TrainConfig['augmentation'];

/** How often a crop is drawn again for its classes. */
const CROP_TRIES = 10;

/**
 * One random view of an image for training: resized, cropped, mirrored, its colours changed.
 *
 * @param cropPx side of the crop; what comes out is smaller where the resized image is
 * @see InternVL's train_pipeline; mmseg 0.30 `Resize`, `RandomCrop`, `RandomFlip`, `PhotoMetricDistortion`: the same
 * bytes for the same draws, which are in its order
 */
export function augment(
  { image, labels }: LabelledImage,
  { augmentation, cropPx, draws }: { augmentation: Augmentation; cropPx: number; draws: Draws },
): LabelledImage {
  const size = drawSize(image, augmentation, draws);
  const resizedLabels = resizeNearest(labels, size);
  const window = drawWindow(resizedLabels, cropPx, augmentation.catMaxRatio, draws);
  // Only what the crop shows is resized: the same bytes, and up to eight times less work.
  let crop: LabelledImage = {
    image: resizeWindow(image, size, window),
    labels: cropLabels(resizedLabels, window),
  };
  if (isFlipped(augmentation.flip, draws))
    crop = { image: flipHorizontally(crop.image), labels: flipLabels(crop.labels) };
  return augmentation.photometricDistortion ? { ...crop, image: distort(crop.image, draws) } : crop;
}

/** The largest size of an image's ratio that fits a randomly scaled (longPx, shortPx). */
export function drawSize(original: Size, { longPx, shortPx, ratioRange }: Augmentation, draws: Draws): Size {
  const [low, high] = ratioRange;
  const ratio = draws.uniform() * (high - low) + low;
  const { width, height } = rescale(original, Math.trunc(longPx * ratio), Math.trunc(shortPx * ratio));
  // The original fails for an image so thin that nothing would be left of it.
  return { width: Math.max(width, 1), height: Math.max(height, 1) };
}

/**
 * Where to crop, whole pixels. A crop with one class only, or with one that covers `catMaxRatio` or more of what isn't
 * ignored, is drawn again; after ten tries the next one is taken as it is.
 */
export function drawWindow(labels: LabelMap, cropPx: number, catMaxRatio: number, draws: Draws): Window {
  let window = drawOffset(labels, cropPx, draws);
  if (catMaxRatio >= 1) return window;
  for (let i = 0; i < CROP_TRIES && !isVaried(labels, window, catMaxRatio); i++)
    window = drawOffset(labels, cropPx, draws);
  return window;
}

function drawOffset({ width, height }: Size, cropPx: number, draws: Draws): Window {
  const top = draws.integer(0, Math.max(height - cropPx, 0) + 1);
  const left = draws.integer(0, Math.max(width - cropPx, 0) + 1);
  return { left, top, width: Math.min(cropPx, width), height: Math.min(cropPx, height) };
}

function isVaried({ width, data }: LabelMap, window: Window, catMaxRatio: number): boolean {
  const counts = new Uint32Array(256);
  for (let y = window.top; y < window.top + window.height; y++) {
    const start = y * width + window.left;
    for (let i = start; i < start + window.width; i++) counts[data[i]!]!++;
  }
  const known = counts.filter((count, label) => count > 0 && label !== IGNORED_LABEL);
  const total = known.reduce((sum, count) => sum + count, 0);
  return known.length > 1 && Math.max(...known) / total < catMaxRatio;
}

/** Whether to mirror. Draws once, whatever the probability is. */
export function isFlipped(probability: number, draws: Draws): boolean {
  return draws.uniform() < probability;
}
