import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { BadData, BadInput } from '../../core/config/failures.ts';
import {
  type DatasetManifest,
  DatasetManifestSchema,
  type ManifestImage,
} from '../../core/config/manifests.ts';
import { parseAs } from '../../core/config/parse.ts';
import { type StageDatasetInput, StageDatasetInputSchema, type Staged } from '../../core/config/stage.ts';
import { joinUri, type Store } from '../../core/store.ts';
import { type DatasetSource, openDatasetSource } from './dataset-source.ts';
import { imageIds } from './image-ids.ts';
import { inParallel } from './in-parallel.ts';
import { readEarlier, writeManifest } from './manifest-file.ts';

const FILES_AT_ONCE = 8;

export interface StageHooks {
  signal: AbortSignal;
  onProgress(done: number, total: number): void;
}

/**
 * Uploads a split of a dataset out of a folder or a zip, indexed and hashed once. What is there with the same bytes
 * is not sent again; the manifest goes last, so that it never names what isn't there.
 *
 * @throws BadInput for a source that isn't in the layout, BadData naming a file that is damaged or no image
 */
export async function stageDataset(
  store: Store,
  request: StageDatasetInput,
  hooks: StageHooks,
): Promise<Staged> {
  const input = parseAs(StageDatasetInputSchema, request, 'StageDataset input');
  await using source = await openDatasetSource(input.source, input.imageDir);
  const ids = await imageIds(source, input);
  const manifestUri = joinUri(input.destination, `${input.split}.manifest.json`);
  const earlier = await readEarlier(store, manifestUri, DatasetManifestSchema);
  const uploads = await createUploads(store, input.destination, earlier);
  let done = 0;
  const images = await inParallel(
    ids,
    { atOnce: FILES_AT_ONCE, signal: hooks.signal },
    async (id): Promise<ManifestImage> => {
      const imageKey = `${input.imageDir}/${id}${input.imageSuffix}`;
      const annotationKey = `${input.annotationDir}/${id}${input.annotationSuffix}`;
      const listing = input.splitFile ? `listed in ${input.splitFile}` : 'gone since it was listed';
      const imageBytes = await readWhole(source, imageKey, listing);
      const annotationBytes = await readWhole(source, annotationKey, `the annotation of ${imageKey}`);
      const size = await imageSize(imageBytes, source.nameOf(imageKey));
      const image = await uploads.send(imageKey, imageBytes);
      const annotation = await uploads.send(annotationKey, annotationBytes);
      hooks.onProgress(++done, ids.length);
      return { id, image, annotation, ...size };
    },
  );
  const manifest: DatasetManifest = {
    version: 1,
    kind: 'dataset',
    name: input.name,
    split: input.split,
    images,
  };
  const manifestSha256 = await writeManifest(store, manifestUri, manifest);
  return {
    uri: input.destination,
    manifestUri,
    manifestSha256,
    ...uploads.sent,
    totalFiles: 2 * ids.length,
  };
}

/** Sends what isn't there: an earlier manifest tells what was sent, and the listing that it is still there. */
async function createUploads(store: Store, destination: string, earlier: DatasetManifest | null) {
  const files = earlier?.images.flatMap(({ image, annotation }) => [image, annotation]) ?? [];
  const known = new Map(files.map(({ key, sha256 }) => [key, sha256]));
  const listed = earlier ? await store.list(`${destination.replace(/\/+$/, '')}/`) : [];
  const sizes = new Map(listed.map(({ uri, sizeBytes }) => [uri, sizeBytes]));
  const sent = { uploadedFiles: 0, uploadedBytes: 0 };
  return {
    sent,
    async send(key: string, bytes: Buffer): Promise<ManifestImage['image']> {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const uri = joinUri(destination, key);
      if (known.get(key) !== sha256 || sizes.get(uri) !== bytes.length) {
        await store.write(uri, bytes);
        sent.uploadedFiles += 1;
        sent.uploadedBytes += bytes.length;
      }
      return { key, sizeBytes: bytes.length, sha256 };
    },
  };
}

async function readWhole(source: DatasetSource, key: string, what: string): Promise<Buffer> {
  const bytes = await source.read(key);
  if (!bytes) throw new BadInput(`${source.nameOf(key)}: missing, ${what}`);
  return bytes;
}

/** From the header only, as the image is seen: EXIF orientation applied. */
async function imageSize(bytes: Buffer, file: string): Promise<{ width: number; height: number }> {
  try {
    const { autoOrient } = await sharp(bytes).metadata();
    return { width: autoOrient.width, height: autoOrient.height };
  } catch (error) {
    throw new BadData(`${file}: not a readable image: ${error instanceof Error ? error.message : error}`);
  }
}
