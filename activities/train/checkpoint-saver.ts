import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import pRetry from 'p-retry';
import { TypedFailure } from '../../core/config/failures.ts';
import type { StateSpec, TrainingState } from '../../core/config/train.ts';
import { joinUri, type Store, unlessAbsent } from '../../core/store.ts';
import {
  type Checkpoint,
  type CheckpointPointer,
  checkpointFolder,
  readCheckpoint,
  removeSuperfluous,
  writeCheckpoint,
} from '../../core/train/checkpoint-pointers.ts';
import type { LogFile } from '../../core/train/log-files.ts';
import { checkpointBytes } from '../../core/train/state-specs.ts';
import { type DiskNeed, ensureRoom, withRoom } from '../disk-room.ts';
import { type CheckpointMeta, type WrittenFile, writeCheckpointFiles } from './checkpoint-files.ts';
import { writeLogFile } from './write-log-file.ts';
import { removeAbandoned, writerName } from './writer-folders.ts';

/** Time limit for an unreachable store. After it the attempt fails; the next one resumes from the last checkpoint. */
const PATIENCE_MS = 5 * 60_000;

export interface CheckpointSaverOptions {
  store: Store;
  /** The run's folder. */
  prefix: string;
  /** Folder on the local disk with space for one checkpoint. Each writer uses a folder of its own below it. */
  scratchFolder: string;
  /** Called for each checkpoint after it is complete in the store. */
  onSaved(checkpoint: Checkpoint): Promise<void>;
  patienceMs?: number;
  /** Takes the model's file once it is complete in the store. */
  keepModel?(model: WrittenFile): Promise<void>;
}

/** Fields of a pointer other than its files. */
export type Notes = Omit<
  CheckpointPointer,
  'version' | 'kind' | 'step' | 'head' | 'optimizer' | 'evaluation'
>;

/**
 * Saves a training's checkpoints, one at a time. `save` returns when the state is on the local disk; the upload runs
 * while the training continues. The pointer is written last; then superfluous checkpoints are removed.
 */
export class CheckpointSaver implements AsyncDisposable {
  readonly #options: CheckpointSaverOptions;
  readonly #folder: string;
  readonly #stop = new AbortController();
  #sending: Promise<void> = Promise.resolve();
  /** The latest checkpoint that is complete in the store. */
  saved: Checkpoint | null = null;

  constructor(options: CheckpointSaverOptions) {
    this.#options = options;
    this.#folder = path.join(options.scratchFolder, writerName());
  }

  /** Checks the disk space for a checkpoint before the training starts. @throws Unavailable if the space is too small */
  async ensureRoom(specs: StateSpec[]): Promise<void> {
    await mkdir(this.#options.scratchFolder, { recursive: true });
    await removeAbandoned(this.#options.scratchFolder);
    await ensureRoom(this.#need(specs));
  }

  /**
   * Waits for the previous checkpoint, then writes this one to disk. The state may change after it returns.
   *
   * @param log the training's log up to this step, written before the pointer
   * @throws BadData if the state holds a value that is not finite; Unavailable if the disk is full, or if the upload of
   *   the previous checkpoint failed
   */
  async save(state: TrainingState, meta: CheckpointMeta, notes: Notes, log: LogFile[]): Promise<void> {
    await this.#sending;
    const { step } = state;
    const write = () => writeCheckpointFiles(this.#folder, `iter_${step}`, state, meta);
    const files = await withRoom(this.#need(state.specs), write);
    this.#sending = this.#send(step, files, notes, log).catch((error) => {
      if (!(error instanceof TypedFailure)) throw error;
      const message = `the checkpoint of step ${step} could not be sent: ${error.message}`;
      throw new TypedFailure(error.failureClass, message, { cause: error });
    });
    // `settle` or the next `save` reports a failure. Until then it must not count as an unhandled rejection.
    this.#sending.catch(() => {});
  }

  /** Waits for the upload. @throws Unavailable if it failed */
  settle(): Promise<void> {
    return this.#sending;
  }

  /** Cancels an upload that is not complete. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the training has ended'));
    await rm(this.#folder, { recursive: true, force: true });
  }

  #need(specs: StateSpec[]): DiskNeed {
    return {
      folder: this.#options.scratchFolder,
      what: 'a checkpoint',
      bytes: checkpointBytes(specs),
      variable: 'TESSERA_SCRATCH',
    };
  }

  async #send(
    step: number,
    { head, optimizer }: { head: WrittenFile; optimizer: WrittenFile },
    notes: Notes,
    log: LogFile[],
  ): Promise<void> {
    const { store, prefix, onSaved } = this.#options;
    const folder = checkpointFolder(prefix);
    const uri = joinUri(folder, `iter_${step}.json`);
    const checkpoint: Checkpoint = {
      uri,
      version: 1,
      kind: 'checkpoint',
      step,
      head: await this.#sendFile(folder, head),
      optimizer: await this.#sendFile(folder, optimizer),
      ...notes,
    };
    // While this trainer was disconnected from Temporal, another one may have written this checkpoint, and its head may
    // have been evaluated.
    const existing = await this.#patiently(() => unlessAbsent(readCheckpoint(store, uri)));
    if (existing?.evaluation && existing.head.sha256 === checkpoint.head.sha256)
      checkpoint.evaluation = existing.evaluation;
    for (const file of log) await this.#patiently(() => writeLogFile(store, file));
    await this.#patiently(() => writeCheckpoint(store, checkpoint));
    this.saved = checkpoint;
    await onSaved(checkpoint);
    await this.#options.keepModel?.(head);
    await this.#patiently(() => removeSuperfluous(store, folder));
    await Promise.all([head, optimizer].map(({ file }) => rm(file, { force: true })));
  }

  async #sendFile(folder: string, { file, manifest }: WrittenFile): Promise<CheckpointPointer['head']> {
    const { store } = this.#options;
    const uri = joinUri(folder, manifest.file.key);
    await this.#patiently(() => store.upload(uri, file));
    const { versionId } = await this.#patiently(() => store.head(uri));
    await this.#patiently(() => store.write(`${uri}.manifest.json`, json(manifest), JSON_TYPE));
    return { ...manifest.file, ...(versionId ? { versionId } : {}) };
  }

  /** Retries while the store is unreachable, up to the time limit. */
  #patiently<T>(action: () => Promise<T>): Promise<T> {
    return pRetry(action, {
      retries: Number.POSITIVE_INFINITY,
      maxRetryTime: this.#options.patienceMs ?? PATIENCE_MS,
      minTimeout: 500,
      factor: 2,
      maxTimeout: 10_000,
      signal: this.#stop.signal,
      shouldRetry: ({ error }) => error instanceof TypedFailure && error.failureClass === 'Unavailable',
    });
  }
}

const JSON_TYPE = { contentType: 'application/json' };

function json(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 1)}\n`);
}
