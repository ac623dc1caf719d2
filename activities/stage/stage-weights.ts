import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type CheckpointIndex, indexForManifest } from '../../core/checkpoint/checkpoint-index.ts';
import { tensorDigests } from '../../core/checkpoint/tensor-digests.ts';
import { BadData } from '../../core/config/failures.ts';
import { type WeightsManifest, WeightsManifestSchema } from '../../core/config/manifests.ts';
import { parseAs } from '../../core/config/parse.ts';
import { type Staged, type StageWeightsInput, StageWeightsInputSchema } from '../../core/config/stage.ts';
import { type Store, unlessAbsent } from '../../core/store.ts';
import { readEarlier, writeManifest } from './manifest-file.ts';
import type { StageHooks } from './stage-dataset.ts';
import { findWeights, type OnBytes, type OpenWeights, type WeightsMeans } from './weights-source.ts';

/**
 * Uploads a checkpoint after looking into it: its table of tensors and its digest become the manifest
 * beside it. It comes from a file, an object or a URL. The same source twice uploads nothing, and what a store or
 * a server calls unchanged isn't even read.
 *
 * @throws BadInput if there is no such source, BadData if it is no (whole, harmless) checkpoint, Unavailable
 */
export async function stageWeights(
  store: Store,
  request: StageWeightsInput,
  hooks: StageHooks & WeightsMeans,
): Promise<Staged> {
  const { source, destination } = parseAs(StageWeightsInputSchema, request, 'StageWeights input');
  const found = await findWeights(source, { ...hooks, store });
  const manifestUri = `${destination}.manifest.json`;
  const earlier = await readEarlier(store, manifestUri, WeightsManifestSchema);
  const isWhole = earlier !== null && (await hasSize(store, destination, earlier.file.sizeBytes));
  const finish = async (manifest: WeightsManifest, uploadedFiles: number): Promise<Staged> => ({
    uri: destination,
    manifestUri,
    manifestSha256: await writeManifest(store, manifestUri, manifest),
    uploadedFiles,
    uploadedBytes: uploadedFiles * manifest.file.sizeBytes,
    totalFiles: 1,
  });
  // A manifest of an earlier version says too little of the tensors: it is made anew.
  const isIndex = earlier?.topLevelKeys !== undefined;
  if (isWhole && isIndex && found.record !== null && isDeepStrictEqual(earlier.source, found.record))
    return finish(earlier, 0);

  const nextStep = progressSteps(hooks, found.sizeBytes, found.isDownloaded ? 3 : 2);
  await using weights = await found.open(found.isDownloaded ? nextStep() : () => {});
  const index = await lookInto(weights);
  const ofTensors = tensorDigests([...index.tensors.values()], () => createHash('sha256'));
  const sha256 = await digestOf(weights, ofTensors.update, nextStep(), hooks.signal);
  const tensorSha256 = ofTensors.digests();
  const isThere = source === destination || (isWhole && earlier.file.sha256 === sha256);
  if (!isThere) await weights.putTo(destination, nextStep());
  // The same bytes out of a file don't make untrue where they came from before.
  const origin = weights.record ?? (isThere ? earlier?.source : undefined);
  const manifest: WeightsManifest = {
    version: 1,
    kind: 'weights',
    file: {
      key: destination.slice(destination.lastIndexOf('/') + 1),
      sizeBytes: weights.sizeBytes,
      sha256,
    },
    ...(origin ? { source: origin } : {}),
    ...indexForManifest(index, (name) => tensorSha256.get(name)),
  };
  const staged = await finish(manifest, isThere ? 0 : 1);
  await weights.discard();
  return staged;
}

async function lookInto(weights: OpenWeights): Promise<CheckpointIndex> {
  try {
    return await weights.index();
  } catch (error) {
    // Going on with this download would end here again.
    if (error instanceof BadData) await weights.discard();
    throw error;
  }
}

/** Each step (download, hash, send) handles every byte once, and is an equal part of the way. */
function progressSteps({ onProgress }: StageHooks, sizeBytes: number, steps: number): () => OnBytes {
  let step = -1;
  return () => {
    const before = ++step * sizeBytes;
    return (bytes) => onProgress((before + bytes) / steps, sizeBytes);
  };
}

async function digestOf(
  { chunks }: OpenWeights,
  onChunk: (chunk: Uint8Array) => void,
  onBytes: OnBytes,
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunks(signal)) {
    hash.update(chunk);
    onChunk(chunk);
    bytes += chunk.length;
    onBytes(bytes);
  }
  return hash.digest('hex');
}

async function hasSize(store: Store, uri: string, sizeBytes: number): Promise<boolean> {
  const there = await unlessAbsent(store.head(uri));
  return there?.sizeBytes === sizeBytes;
}
