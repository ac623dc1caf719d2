import type { Config } from '../../core/config/config.ts';
import type { ManifestImage } from '../../core/config/manifests.ts';
import { underlay } from '../../core/image/paint.ts';
import type { RgbImage } from '../../core/image/resize.ts';
import { makeViews, type View } from '../../core/image/views.ts';
import type { Store } from '../../core/store.ts';
import { readLabelled } from '../images/read-labelled.ts';

/** An image ready for the network, with its truth. */
export interface LoadedImage {
  id: string;
  /** As decoded; `[H, W, 3]`. */
  original: RgbImage;
  /** The network's inputs. */
  views: View[];
  /** What `show` paints over, in the original's size; null if nothing is to be shown. */
  underlay: RgbImage | null;
  /** Labels after reduce_zero_label, `[H, W]`. */
  labels: Uint8Array;
  seconds: { fetch: number; decode: number; preprocess: number };
}

/**
 * Fetches, checks, decodes and resizes one image and its annotation.
 *
 * @param root where the dataset's manifest lies
 * @throws as `readLabelled`
 */
export async function loadImage(
  store: Store,
  root: string,
  image: ManifestImage,
  config: Pick<Config, 'dataset' | 'pipeline' | 'model' | 'run'>,
): Promise<LoadedImage> {
  const { image: original, labels, seconds } = await readLabelled(store, root, image, config);
  const decoded = performance.now();
  const views = makeViews(original, config.pipeline);
  return {
    id: image.id,
    original,
    views,
    // Made here, since the views are moved to the inference thread.
    underlay: config.run.show ? underlay(views[0]!.image, config.pipeline, original) : null,
    labels: labels.data,
    seconds: { ...seconds, preprocess: (performance.now() - decoded) / 1000 },
  };
}
