import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import pLimit from 'p-limit';
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
import { readEarlier, writeManifest } from './manifest-file.ts';

const FILES_AT_ONCE = 8;

export interface StageHooks {
  signal: AbortSignal;
  onProgress(done: number, total: number): void;
}

/**
 * Uploads a split of a dataset, indexed and hashed once. What is there with the same bytes is not sent again;
 * the manifest goes last, so that it never names what isn't there.
 *
 * @throws BadInput for a folder that isn't in the layout, BadData naming a file that is no image
 */
export async function stageDataset(
  store: Store,
  request: StageDatasetInput,
  hooks: StageHooks,
): Promise<Staged> {
  const input = parseAs(StageDatasetInputSchema, request, 'StageDataset input');
  const manifestUri = joinUri(input.destination, `${input.split}.manifest.json`);
  const ids = await imageIds(input);
  const earlier = await readEarlier(store, manifestUri, DatasetManifestSchema);
  const known = new Map(
    earlier?.images.flatMap(({ image, annotation }) => [image, annotation]).map((f) => [f.key, f.sha256]),
  );
  // The manifest tells what was sent, and the listing that it is still there.
  const listed = earlier ? await store.list(`${input.destination.replace(/\/+$/, '')}/`) : [];
  const sizes = new Map(listed.map(({ uri, sizeBytes }) => [uri, sizeBytes]));

  const limit = pLimit(FILES_AT_ONCE);
  let done = 0;
  let uploadedFiles = 0;
  let uploadedBytes = 0;
  const upload = async (key: string, bytes: Buffer) => {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const uri = joinUri(input.destination, key);
    if (known.get(key) !== sha256 || sizes.get(uri) !== bytes.length) {
      await store.write(uri, bytes);
      uploadedFiles += 1;
      uploadedBytes += bytes.length;
    }
    return { key, sizeBytes: bytes.length, sha256 };
  };
  const images = await Promise.all(
    ids.map((id) =>
      limit(async (): Promise<ManifestImage> => {
        hooks.signal.throwIfAborted();
        const imageKey = `${input.imageDir}/${id}${input.imageSuffix}`;
        const annotationKey = `${input.annotationDir}/${id}${input.annotationSuffix}`;
        const imageBytes = await readFile(path.join(input.source, imageKey));
        const annotationBytes = await readAnnotation(input.source, annotationKey, imageKey);
        const size = await imageSize(imageBytes, path.join(input.source, imageKey));
        const image = await upload(imageKey, imageBytes);
        const annotation = await upload(annotationKey, annotationBytes);
        hooks.onProgress(++done, ids.length);
        return { id, image, annotation, ...size };
      }),
    ),
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
    uploadedFiles,
    uploadedBytes,
    totalFiles: 2 * ids.length,
  };
}

async function imageIds({ source, imageDir, imageSuffix }: StageDatasetInput): Promise<string[]> {
  const folder = path.join(source, imageDir);
  const files = await readdir(folder).catch(() => {
    throw new BadInput(
      `${folder}: no such folder; expected the dataset's layout, with images in ${imageDir}/`,
    );
  });
  const ids = files
    .filter((file) => file.endsWith(imageSuffix))
    .map((file) => file.slice(0, -imageSuffix.length));
  if (ids.length === 0) throw new BadInput(`${folder}: no ${imageSuffix} files in it`);
  // By code units, as Python sorts names: the order of evaluation, and of the coverage digest.
  return ids.sort();
}

async function readAnnotation(source: string, key: string, imageKey: string): Promise<Buffer> {
  return readFile(path.join(source, key)).catch(() => {
    throw new BadInput(`${path.join(source, key)}: missing, the annotation of ${imageKey}`);
  });
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
