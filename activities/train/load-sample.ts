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

/** What a training's samples are made of. */
export interface SampleContext {
  store: Store;
  /** Where the dataset's manifest lies. */
  root: string;
  /** The images to draw from, as `trainingImages` gives them. */
  images: ManifestImage[];
  config: Pick<VitConfig, 'model' | 'dataset' | 'pipeline'> & { train: TrainConfig };
}

export interface Sample {
  /** `[S, S, 3]` RGB, normalised; 0 where the crop has no image. */
  image: Float32Array;
  /** `[S, S]`; 255 where there is no image, or its class isn't known. */
  labels: Uint8Array;
}

/**
 * One crop of one training step, a pure function of the dataset, the config and its place.
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

/** What a dataset ignores becomes what padding and the loss ignore. */
function ignore(labels: Uint8Array, ignored: number): void {
  if (ignored === IGNORED_LABEL) return;
  for (let i = 0; i < labels.length; i++) if (labels[i] === ignored) labels[i] = IGNORED_LABEL;
}
