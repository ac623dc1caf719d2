import type { StagedObject } from '../../core/config/eval.ts';
import { BadData } from '../../core/config/failures.ts';
import type { VitModel } from '../../core/config/model-kinds.ts';
import type { Hub } from '../hub/hub.ts';
import type { HubCheckpoint } from '../hub/hub-checkpoint.ts';
import type { FetchedWeights } from './fetch-weights.ts';
import { neededPart } from './needed-part.ts';
import { type FetchOptions, fetchToCache } from './object-cache.ts';

/**
 * Brings of a checkpoint on the Hub what a model needs into the node's cache, as `fetchWeights` does from S3. A part of
 * a file is what TLS and the commit vouch for: the Hub knows digests of whole files only.
 *
 * @param object as planned: its address names the commit
 * @throws as `Hub.open` and `fetchToCache`
 */
export async function fetchHubWeights(
  hub: Hub,
  folder: string,
  object: StagedObject,
  model: VitModel,
  options: Omit<FetchOptions, 'only'> = {},
): Promise<FetchedWeights> {
  const checkpoint = await hub.open(object.uri, options.signal);
  const { object: found, index } = checkpoint;
  if (found.sha256 !== object.sha256)
    throw new BadData(`${object.uri}: is not the file that the run was planned with; start the run again`);
  const tensors = [...index.tensors.values()];
  const only = neededPart({ file: object, tensors }, model, 'where known');
  return { index, file: await fetchHubCheckpoint(checkpoint, folder, only ? { ...options, only } : options) };
}

/** Brings a checkpoint on the Hub into a cache: all of it, verified by what the Hub knows, or the part that is asked for. */
export function fetchHubCheckpoint(
  { object, isDigest, known, stream }: HubCheckpoint,
  folder: string,
  options: FetchOptions = {},
): Promise<string> {
  const { sizeBytes, sha256 } = object;
  const source = {
    head: async () => ({ sizeBytes, etag: sha256 }),
    stream: (_: string, range: { offset: number; length: number }) => stream(range, options.signal),
  };
  const whole = { ranges: [{ offset: 0, length: sizeBytes }], digestedRanges: known };
  const only = options.only ?? (isDigest ? undefined : whole);
  return fetchToCache(source, folder, object, only ? { ...options, only } : options);
}
