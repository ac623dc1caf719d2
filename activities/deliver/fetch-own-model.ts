import { createHash, randomUUID } from 'node:crypto';
import { copyFile, link, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { StagedObject } from '../../core/config/eval.ts';
import { BadData } from '../../core/config/failures.ts';
import type { OwnModelFile } from '../../core/model/own-onnx.ts';
import { type FetchOptions, fetchToCache } from './object-cache.ts';
import type { ObjectSource } from './ranged-read.ts';

/**
 * Brings an ONNX model and the files that its weights are in into the node's cache, and lays them beside one another as
 * the model names them. The model is verified by its SHA-256; of the others, which planning did not read, the store
 * vouches that they are what was there then.
 *
 * @param object the model's own file, the first of `files`
 * @returns the model's file in a folder of its own
 * @throws BadData if a file was replaced since the plan, and as `fetchToCache`
 */
export async function fetchOwnModel(
  store: ObjectSource,
  folder: string,
  object: StagedObject,
  files: OwnModelFile[],
  options: Omit<FetchOptions, 'only'> = {},
): Promise<string> {
  const [model] = files;
  const own = path.join(folder, 'own-models', digestOf([object.sha256, ...files.map(identityOf)]));
  for (const file of files) {
    const target = path.join(own, ...file.location.split('/'));
    const source = pinned(store, file);
    const cached =
      file === model
        ? await fetchToCache(source, folder, object, options)
        : await fetchToCache(source, folder, unread(file), { ...options, only: whole(file) });
    await place(cached, target);
  }
  return path.join(own, model!.location);
}

/** ONNX Runtime follows no symbolic link out of a model's folder. */
async function place(cached: string, target: string): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  const temporary = `${target}.${randomUUID()}`;
  try {
    // Another worker may place the same at the same time. What lies there may be an entry that was fetched again since.
    await link(cached, temporary).catch(() => copyFile(cached, temporary));
    await rename(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** A store in which the file must be what it was when the run was planned. */
function pinned(store: ObjectSource, { uri, etag, sizeBytes }: OwnModelFile): ObjectSource {
  const head = async () => {
    const info = await store.head(uri);
    if (info.etag !== etag || info.sizeBytes !== sizeBytes)
      throw new BadData(`${uri}: was replaced after the run was planned with it; start the run again`);
    return info;
  };
  return { ...store, head };
}

function unread(file: OwnModelFile): StagedObject {
  const { uri, sizeBytes, versionId } = file;
  return { uri, sizeBytes, sha256: digestOf([identityOf(file)]), ...(versionId ? { versionId } : {}) };
}

function whole({ sizeBytes }: OwnModelFile) {
  return { ranges: [{ offset: 0, length: sizeBytes }], digestedRanges: [] };
}

function identityOf({ uri, location, etag, versionId, sizeBytes }: OwnModelFile): string {
  return JSON.stringify([uri, location, etag, versionId ?? null, sizeBytes]);
}

function digestOf(parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
