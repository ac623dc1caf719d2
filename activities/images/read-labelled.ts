import { createHash } from 'node:crypto';
import type { Config } from '../../core/config/config.ts';
import { BadData } from '../../core/config/failures.ts';
import type { ManifestImage } from '../../core/config/manifests.ts';
import { checkAnnotationSize, readImageHeader } from '../../core/image/files/image-header.ts';
import type { LabelMap } from '../../core/image/label-map.ts';
import { reduceZeroLabel } from '../../core/image/preprocess.ts';
import type { RgbImage } from '../../core/image/resize.ts';
import { joinUri, type Store } from '../../core/store.ts';
import { decodeAnnotation, decodeImage } from './decode.ts';

/** An image and its truth, of the same size; without an annotation all of it is ignored. */
export interface LabelledFile {
  image: RgbImage;
  /** After reduce_zero_label. */
  labels: LabelMap;
  seconds: { fetch: number; decode: number };
}

/**
 * Fetches, checks and decodes one image and its annotation.
 *
 * @param root where the dataset's manifest lies
 * @throws BadData naming the object: damaged, changed since staging, of another size, or a label out of range
 */
export async function readLabelled(
  store: Store,
  root: string,
  image: ManifestImage,
  config: Pick<Config, 'dataset' | 'model'>,
): Promise<LabelledFile> {
  const start = performance.now();
  const [imageBytes, annotationBytes] = await Promise.all(
    [image.image, image.annotation].map(async (file) => {
      if (!file) return null;
      const { key, sha256 } = file;
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
  const imageUri = joinUri(root, image.image.key);
  const decoded = await decodeImage(imageBytes!, imageUri);
  const readLabels = async (): Promise<LabelMap> => {
    const { width, height } = decoded;
    const nothing = new Uint8Array(width * height).fill(config.dataset.ignoreIndex);
    if (!image.annotation) return { width, height, data: nothing };
    const uri = joinUri(root, image.annotation.key);
    const labels = await decodeAnnotation(annotationBytes!, uri);
    checkAnnotationSize(readImageHeader(imageBytes!, imageUri)!, labels, uri);
    checkLabels(labels, uri, config);
    if (config.dataset.reduceZeroLabel) reduceZeroLabel(labels.data);
    return labels;
  };
  return {
    image: decoded,
    labels: await readLabels(),
    seconds: { fetch: (fetched - start) / 1000, decode: (performance.now() - fetched) / 1000 },
  };
}

/** A label that no class has would silently fall out of the matrix. */
function checkLabels(
  { data, width }: LabelMap,
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
