import type { Config } from '../../core/config/config.ts';
import type { ManifestImage } from '../../core/config/manifests.ts';
import type { Labels } from '../../core/image/label-map.ts';
import { underlay } from '../../core/image/paint.ts';
import type { RgbImage } from '../../core/image/resize.ts';
import type { Size } from '../../core/image/test-size.ts';
import { makeViews, type View } from '../../core/image/views.ts';
import type { Store } from '../../core/store.ts';
import { readLabelled } from '../images/read-labelled.ts';

/** An image ready for the network, with its truth. */
export interface LoadedImage {
  id: string;
  /** The size of its label map. */
  original: Size;
  /** As decoded, `[H, W, 3]`, if its overlay is wanted: it is far larger than the views. */
  picture: RgbImage | null;
  /** The network's inputs. */
  views: View[];
  /** What `show` paints over, in the original's size; null if nothing is to be shown. */
  underlay: RgbImage | null;
  /** A class or `ignoredLabelOf` for each pixel, `[H, W]`. */
  labels: Labels;
  seconds: { fetch: number; decode: number; preprocess: number };
}

/**
 * Fetches, checks, decodes and resizes one image and its annotation.
 *
 * @param root where the dataset's manifest lies
 * @param overlays ids of the images that are to be shown as they are
 * @throws as `readLabelled`
 */
export async function loadImage(
  store: Store,
  root: string,
  image: ManifestImage,
  config: Pick<Config, 'dataset' | 'pipeline' | 'model' | 'run'>,
  overlays: string[] = [],
): Promise<LoadedImage> {
  const { image: decodedImage, labels, seconds } = await readLabelled(store, root, image, config);
  const decoded = performance.now();
  const original = { width: decodedImage.width, height: decodedImage.height };
  const views = makeViews(decodedImage, config.pipeline);
  return {
    id: image.id,
    original,
    picture: overlays.includes(image.id) ? decodedImage : null,
    views,
    // Made here, since the views are moved to the inference thread.
    underlay: config.run.show ? underlay(views[0]!.image, config.pipeline, original) : null,
    labels: labels.data,
    seconds: { ...seconds, preprocess: (performance.now() - decoded) / 1000 },
  };
}
