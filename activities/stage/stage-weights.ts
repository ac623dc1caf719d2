import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { openTorchFile } from '../../core/checkpoint/torch-file.ts';
import { BadInput } from '../../core/config/failures.ts';
import { type WeightsManifest, WeightsManifestSchema } from '../../core/config/manifests.ts';
import { parseAs } from '../../core/config/parse.ts';
import { type Staged, type StageWeightsInput, StageWeightsInputSchema } from '../../core/config/stage.ts';
import type { Store } from '../../core/store.ts';
import { readEarlier, writeManifest } from './manifest-file.ts';
import type { StageHooks } from './stage-dataset.ts';

/**
 * Uploads a checkpoint after looking into it: its table of tensors and its digest become the manifest
 * beside it. The same file twice uploads nothing.
 *
 * @throws BadInput if there is no such file, BadData if it is no (whole, harmless) torch checkpoint
 */
export async function stageWeights(
  store: Store,
  request: StageWeightsInput,
  hooks: StageHooks,
): Promise<Staged> {
  const { source, destination } = parseAs(StageWeightsInputSchema, request, 'StageWeights input');
  const { size } = await stat(source).catch(() => {
    throw new BadInput(`${source}: no such file`);
  });
  await using handle = await open(source);
  const torch = await openTorchFile(source, size, async (offset, length) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  });
  // Half of the way is hashing, half is sending.
  const digest = await sha256(source, (bytes) => hooks.onProgress(bytes / 2, size), hooks.signal);

  const manifestUri = `${destination}.manifest.json`;
  const earlier = await readEarlier(store, manifestUri, WeightsManifestSchema);
  const isThere = earlier?.file.sha256 === digest && (await hasSize(store, destination, size));
  if (!isThere)
    await store.upload(destination, source, (bytes) => hooks.onProgress((size + bytes) / 2, size));
  const manifest: WeightsManifest = {
    version: 1,
    kind: 'weights',
    file: { key: destination.slice(destination.lastIndexOf('/') + 1), sizeBytes: size, sha256: digest },
    tensors: [...torch.tensors.values()].map(({ name, dtype, shape, offset, length }) => ({
      name,
      dtype,
      shape,
      offset,
      length,
    })),
  };
  return {
    uri: destination,
    manifestUri,
    manifestSha256: await writeManifest(store, manifestUri, manifest),
    uploadedFiles: isThere ? 0 : 1,
    uploadedBytes: isThere ? 0 : size,
    totalFiles: 1,
  };
}

async function sha256(file: string, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 4 << 20, signal })) {
    hash.update(chunk);
    bytes += chunk.length;
    onBytes(bytes);
  }
  return hash.digest('hex');
}

async function hasSize(store: Store, uri: string, sizeBytes: number): Promise<boolean> {
  return store.head(uri).then(
    (info) => info.sizeBytes === sizeBytes,
    () => false,
  );
}
