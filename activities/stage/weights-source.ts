import type { CheckpointIndex } from '../../core/checkpoint/checkpoint-index.ts';
import type { WeightsSourceRecord } from '../../core/config/manifests.ts';
import { isHubUri } from '../../core/hub/hub-uri.ts';
import type { Store } from '../../core/store.ts';
import type { Hub } from '../hub/hub.ts';
import type { HubCheckpoint } from '../hub/hub-checkpoint.ts';
import { fileWeights } from './file-weights.ts';
import { hubWeights } from './hub-weights.ts';
import type { CopyObject } from './s3-copy.ts';
import { s3Weights } from './s3-weights.ts';
import type { StageHooks } from './stage-dataset.ts';
import { urlWeights } from './url-weights.ts';

/** The Hub, and what brings a checkpoint of it to this machine's disk. */
export interface WeightsHub extends Pick<Hub, 'open'> {
  fetch(
    checkpoint: HubCheckpoint,
    options: { signal: AbortSignal; onProgress(bytes: number): void },
  ): Promise<string>;
}

/** What staging weights may use besides the store. Files of this machine need none of it. */
export interface WeightsMeans {
  /** Where partial downloads lie, and survive a kill. */
  scratchFolder?: string;
  /** Reads the Hugging Face Hub. */
  hub?: WeightsHub;
  /** Copies within the object store; without it the bytes go through the scratch folder. */
  copyObject?: CopyObject;
  /** Before the first retry of a request; twice as long before each further one. */
  backoffMs?: number;
}

export interface WeightsContext extends StageHooks, WeightsMeans {
  store: Store;
}

export type OnBytes = (bytes: number) => void;

/** A checkpoint somewhere, not yet read. */
export interface WeightsSource {
  /** What shows that it is the same as another time; null for a file, of which only the bytes tell. */
  record: WeightsSourceRecord | null;
  sizeBytes: number;
  /** Whether opening it takes as long as sending it does. */
  isDownloaded: boolean;
  /** Makes its bytes readable. */
  open(onBytes: OnBytes): Promise<OpenWeights>;
}

/** A checkpoint whose bytes are at hand. */
export interface OpenWeights extends AsyncDisposable {
  /** What messages call it. */
  name: string;
  sizeBytes: number;
  record: WeightsSourceRecord | null;
  /** What lies in it. @throws BadData if it is no checkpoint, or damaged */
  index(): Promise<CheckpointIndex>;
  /** All bytes in order. */
  chunks(signal: AbortSignal): AsyncIterable<Uint8Array>;
  putTo(destination: string, onBytes: OnBytes): Promise<void>;
  /** Removes what was downloaded: it is staged, or not worth it. */
  discard(): Promise<void>;
}

/** Finds a file, an `s3://` object, an `http(s)://` URL or an `hf://` address. @throws BadInput if there is none, Unavailable */
export function findWeights(source: string, context: WeightsContext): Promise<WeightsSource> {
  if (/^s3:\/\//i.test(source)) return s3Weights(source, context);
  if (/^https?:\/\//i.test(source)) return urlWeights(source, context);
  if (isHubUri(source)) return hubWeights(source, context);
  return fileWeights(source, context.store);
}
