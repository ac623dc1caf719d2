import { createHash } from 'node:crypto';
import type { Config } from '../../core/config/config.ts';
import { BadData } from '../../core/config/failures.ts';
import type { ManifestImage } from '../../core/config/manifests.ts';
import { underlay } from '../../core/image/paint.ts';
import { reduceZeroLabel } from '../../core/image/preprocess.ts';
import type { RgbImage } from '../../core/image/resize.ts';
import { makeViews, type View } from '../../core/image/views.ts';
import { joinUri, type Store } from '../../core/store.ts';
import { decodeAnnotation, decodeImage, type LabelImage } from './decode.ts';

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
 * @throws BadData naming the object: damaged, changed since staging, of another size, or a label out of range
 */
export async function loadImage(
  store: Store,
  root: string,
  image: ManifestImage,
  config: Pick<Config, 'dataset' | 'pipeline' | 'model' | 'run'>,
): Promise<LoadedImage> {
  const start = performance.now();
  const [imageBytes, annotationBytes] = await Promise.all(
    [image.image, image.annotation].map(async ({ key, sha256 }) => {
      const uri = joinUri(root, key);
      const bytes = await store.read(uri);
      if (createHash('sha256').update(bytes).digest('hex') !== sha256)
        throw new BadData(
          `${uri}: not the bytes that were staged (SHA-256 differs from the manifest's); stage it again`,
        );
      return bytes;
    }),
  );
  const fetched = performance.now();
  const original = await decodeImage(imageBytes!, joinUri(root, image.image.key));
  const annotationUri = joinUri(root, image.annotation.key);
  const annotation = decodeAnnotation(annotationBytes!, annotationUri);
  if (annotation.width !== original.width || annotation.height !== original.height)
    throw new BadData(
      `${annotationUri}: ${annotation.width}×${annotation.height} px, but its image is ${original.width}×${original.height}`,
    );
  checkLabels(annotation, annotationUri, config);
  if (config.dataset.reduceZeroLabel) reduceZeroLabel(annotation.data);
  const decoded = performance.now();
  const views = makeViews(original, config.pipeline);
  return {
    id: image.id,
    original,
    views,
    // Made here, since the views are moved to the inference thread.
    underlay: config.run.show ? underlay(views[0]!.image, config.pipeline, original) : null,
    labels: annotation.data,
    seconds: {
      fetch: (fetched - start) / 1000,
      decode: (decoded - fetched) / 1000,
      preprocess: (performance.now() - decoded) / 1000,
    },
  };
}

/** A label that no class has would silently fall out of the matrix. */
function checkLabels(
  { data, width }: LabelImage,
  uri: string,
  { dataset, model }: Pick<Config, 'dataset' | 'model'>,
): void {
  const highest = model.head.classes - (dataset.reduceZeroLabel ? 0 : 1);
  const at = data.findIndex((value) => value > highest && value !== dataset.ignoreIndex);
  if (at < 0) return;
  throw new BadData(
    `${uri}: label ${data[at]} at x=${at % width}, y=${Math.floor(at / width)}; ` +
      `expected 0 to ${highest}, or ${dataset.ignoreIndex} to ignore`,
  );
}
