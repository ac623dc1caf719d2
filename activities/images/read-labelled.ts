import { createHash } from 'node:crypto';
import type { Config } from '../../core/config/config.ts';
import { BadData } from '../../core/config/failures.ts';
import type { ManifestImage } from '../../core/config/manifests.ts';
import { classesOf } from '../../core/config/model-kinds.ts';
import { checkAnnotationSize, readImageHeader } from '../../core/image/files/image-header.ts';
import { emptyLabels, type LabelMap, type Labels } from '../../core/image/label-map.ts';
import type { RgbImage } from '../../core/image/resize.ts';
import { ignoredLabelOf, toLabels } from '../../core/image/to-labels.ts';
import { joinUri, type Store } from '../../core/store.ts';
import { decodeAnnotation, decodeImage } from './decode.ts';

/** An image and its truth, of the same size; without an annotation all of it is ignored. */
export interface LabelledFile {
  image: RgbImage;
  /** A class or `ignoredLabelOf` for each pixel. */
  labels: LabelMap<Labels>;
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
  const readLabels = async (): Promise<LabelMap<Labels>> => {
    const { width, height } = decoded;
    const nothing = emptyLabels(classesOf(config.model), width * height).fill(ignoredLabelOf(config));
    if (!image.annotation) return { width, height, data: nothing };
    const uri = joinUri(root, image.annotation.key);
    const values = await decodeAnnotation(annotationBytes!, uri, config.dataset.annotationFormat);
    checkAnnotationSize(readImageHeader(imageBytes!, imageUri)!, values, uri);
    return toLabels(values, config, uri);
  };
  return {
    image: decoded,
    labels: await readLabels(),
    seconds: { fetch: (fetched - start) / 1000, decode: (performance.now() - fetched) / 1000 },
  };
}
