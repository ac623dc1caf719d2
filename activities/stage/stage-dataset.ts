import { createHash } from 'node:crypto';
import {
  type DatasetManifest,
  DatasetManifestSchema,
  type ManifestImage,
} from '../../core/config/manifests.ts';
import { parseAs } from '../../core/config/parse.ts';
import { type StageDatasetInput, StageDatasetInputSchema, type Staged } from '../../core/config/stage.ts';
import { joinUri, type Store } from '../../core/store.ts';
import { checkHeads, checkPixels, readPair } from './check-pair.ts';
import { openDatasetSource } from './dataset-source.ts';
import { inParallel } from './in-parallel.ts';
import { readEarlier, writeManifest } from './manifest-file.ts';
import { listPairs } from './pairs.ts';
import { createProblems } from './problems.ts';

const FILES_AT_ONCE = 8;
/** Of the largest size that is read, an image that EXIF turns takes 700 MB with its annotation. */
const DECODED_AT_ONCE = 2;

export interface StageHooks {
  signal: AbortSignal;
  onProgress(done: number, total: number): void;
}

/**
 * Uploads a split of a dataset out of a folder or a zip, indexed and hashed once. Every file is checked before the first
 * one is sent. What is there with the same bytes is not sent again; the manifest goes last, so that it never names what
 * isn't there.
 *
 * @throws BadInput for a source that isn't in the layout, BadData naming every file that would not be read as the
 *   original reads it
 */
export async function stageDataset(
  store: Store,
  request: StageDatasetInput,
  hooks: StageHooks,
): Promise<Staged> {
  const input = parseAs(StageDatasetInputSchema, request, 'StageDataset input');
  await using source = await openDatasetSource(input);
  const { pairs, leftOut } = await listPairs(source, input);
  const problems = createProblems(pairs.length);
  const limits = { atOnce: FILES_AT_ONCE, signal: hooks.signal };
  const total = input.check ? 2 * pairs.length : pairs.length;
  let done = 0;

  const check = input.check ? checkPixels : checkHeads;
  const atOnce = input.check ? DECODED_AT_ONCE : FILES_AT_ONCE;
  await inParallel(pairs, { ...limits, atOnce }, async (pair) => {
    await problems.noting(() => check(source, pair));
    if (input.check) hooks.onProgress(++done, total);
  });
  problems.throwIfAny();

  const manifestUri = joinUri(input.destination, `${input.split}.manifest.json`);
  const earlier = await readEarlier(store, manifestUri, DatasetManifestSchema);
  const uploads = await createUploads(store, input.destination, earlier);
  const images = await inParallel(pairs, limits, async (pair): Promise<ManifestImage | null> => {
    const files = await problems.noting(() => readPair(source, pair));
    // The others are still read, but a dataset that cannot be published isn't sent.
    if (!files || problems.any) return null;
    const image = await uploads.send(pair.imageKey, files.image);
    const annotation = files.annotation && (await uploads.send(pair.annotationKey!, files.annotation));
    hooks.onProgress(++done, total);
    return { id: pair.id, image, ...(annotation ? { annotation } : {}), ...files.size };
  });
  problems.throwIfAny();
  const manifest: DatasetManifest = {
    version: 1,
    kind: 'dataset',
    name: input.name,
    split: input.split,
    images: images.filter((image) => image !== null),
  };
  const manifestSha256 = await writeManifest(store, manifestUri, manifest);
  return {
    uri: input.destination,
    manifestUri,
    manifestSha256,
    ...uploads.sent,
    totalFiles: pairs.reduce((files, { annotationKey }) => files + (annotationKey === null ? 1 : 2), 0),
    leftOut,
  };
}

/** Sends what isn't there: an earlier manifest says what was sent, and the listing that it is still there. */
async function createUploads(store: Store, destination: string, earlier: DatasetManifest | null) {
  const files = earlier?.images.flatMap(({ image, annotation }) => [image, annotation ?? []].flat()) ?? [];
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
