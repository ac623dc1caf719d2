import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { z } from 'zod';
import type { StagedObject } from './config/eval.ts';
import { BadData, BadInput, NotFound } from './config/failures.ts';
import { type DatasetManifest, DatasetManifestSchema } from './config/manifests.ts';
import { parseAs } from './config/parse.ts';
import { parseJson } from './config/parse-json.ts';
import type { Store } from './store.ts';

/** Reads and checks a manifest. @throws BadInput if it isn't there (with `remedy`), or isn't one */
export async function readManifest<T extends z.ZodType>(
  store: Store,
  uri: string,
  schema: T,
  remedy: string,
): Promise<{ manifest: z.infer<T>; sha256: string; sizeBytes: number }> {
  const bytes = await store.read(uri).catch((error) => {
    if (error instanceof NotFound && error.what === 'object')
      throw new BadInput(`${error.message}. ${remedy}`);
    throw error;
  });
  const manifest = parseAs(schema, parseJson(bytes, uri), uri);
  return { manifest, sha256: bytesToHex(sha256(bytes)), sizeBytes: bytes.length };
}

/**
 * A dataset's manifest as a run was planned with it.
 *
 * @throws BadData if it has changed since; as `readManifest`
 */
export async function readPlannedDataset(
  store: Store,
  planned: Pick<StagedObject, 'uri' | 'sha256'>,
): Promise<DatasetManifest> {
  const { uri } = planned;
  const { manifest, sha256 } = await readManifest(store, uri, DatasetManifestSchema, 'Stage it again');
  if (sha256 !== planned.sha256)
    throw new BadData(`${uri}: changed since the run was planned; start the run again`);
  return manifest;
}
