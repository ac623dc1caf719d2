import type { ManifestImage } from '../../core/config/manifests.ts';
import type { VitConfig } from '../../core/config/model-kinds.ts';
import type { TrainConfig } from '../../core/config/train.ts';
import { IGNORED_LABEL, inBytes } from '../../core/image/label-map.ts';
import { normalize, padImage, padLabels } from '../../core/image/normalize.ts';
import { ignoredLabelOf } from '../../core/image/to-labels.ts';
import type { Store } from '../../core/store.ts';
import { augment } from '../../core/train/augment.ts';
import { drawsAt } from '../../core/train/draws.ts';
import { sampleAt } from '../../core/train/sample-order.ts';
import { readLabelled } from '../images/read-labelled.ts';

/** Inputs of a training's samples. */
export interface SampleContext {
  store: Store;
  /** Folder of the dataset's manifest. */
  root: string;
  /** The images to draw from, as returned by `trainingImages`. */
  images: ManifestImage[];
  config: Pick<VitConfig, 'model' | 'dataset' | 'pipeline'> & { train: TrainConfig };
}

export interface Sample {
  /** `[S, S, 3]` RGB, normalised; 0 outside the image. */
  image: Float32Array;
  /** `[S, S]`; 255 outside the image and where the class is unknown. */
  labels: Uint8Array;
}

/**
 * One crop of one training step: a pure function of the dataset, the config, the step and the slot.
 *
 * @param step from 0
 * @param slot from 0 to `train.batch` − 1
 * @throws BadData naming the object, as `readLabelled`
 */
export async function loadSample(
  { store, root, images, config }: SampleContext,
  step: number,
  slot: number,
  signal?: AbortSignal,
): Promise<Sample> {
  const { seed, batch, augmentation } = config.train;
  const index = sampleAt({ seed, batch, imageCount: images.length }, step, slot);
  const { image, labels: read } = await readLabelled(store, root, images[index]!, config);
  signal?.throwIfAborted();
  const labels = inBytes(read, images[index]!.id);
  ignore(labels.data, ignoredLabelOf(config));

  const cropPx = config.model.backbone.imageSizePx;
  const draws = drawsAt(seed, step, slot);
  const crop = augment({ image, labels }, { augmentation, cropPx, draws });
  return {
    image: padImage(normalize(crop.image, config.pipeline), crop.image.width, cropPx),
    labels: padLabels(crop.labels, cropPx),
  };
}

/** Replaces the dataset's ignored label by the one that padding and the loss use. */
function ignore(labels: Uint8Array, ignored: number): void {
  if (ignored === IGNORED_LABEL) return;
  for (let i = 0; i < labels.length; i++) if (labels[i] === ignored) labels[i] = IGNORED_LABEL;
}
