import { Worker } from 'node:worker_threads';
import { errorOf, threadFailure } from '../../onnx/thread-failure.ts';
import type { FromCollector, ToCollector } from './collector-protocol.ts';
import type { Extractor } from './extractor.ts';
import type { CollectorSettings } from './feature-collector.ts';
import type { FeatureBatch, Group } from './feature-window.ts';
import { type ComputedCrop, groupPipeline, type SampleOf } from './group-work.ts';

/** Far beyond what a batch takes anywhere; a worker that hangs holds a training up for so long once. */
const PATIENCE_MS = 120_000;
const WINDOW = { steps: 8, bytes: 4 * 2 ** 30 };

/** The batches of a part of a training, in order. */
export interface FeatureFeed extends AsyncDisposable {
  /**
   * The next step's batch; one call at a time.
   *
   * @throws what has ended the feed, such as BadData for a damaged image, whoever found it
   */
  next(): Promise<FeatureBatch>;
  /** Where workers bring features to, `host:port`; null if nobody may. */
  readonly address: string | null;
  /** Workers that are there now. */
  readonly workers: number;
}

export interface FeedOptions
  extends Omit<CollectorSettings, 'window' | 'patienceMs'>,
    Partial<Pick<CollectorSettings, 'window' | 'patienceMs'>> {
  sample: SampleOf;
  /** For what the trainer computes itself. */
  extractor: Extractor;
}

/**
 * Opens the stream of batches that a head is trained on. The order is that of the steps, and the numbers are the
 * same, whoever computes: feature workers, and the trainer itself where there are none or while it waits. Batches are
 * put together on a thread of their own.
 *
 * @throws BadInput if it can't listen
 */
export async function openFeatureFeed(options: FeedOptions): Promise<FeatureFeed> {
  const feed = new Feed(options);
  await feed.ready;
  return feed;
}

class Feed implements FeatureFeed {
  readonly ready: Promise<void>;
  readonly #thread: Worker;
  readonly #exited: Promise<void>;
  readonly #compute: (group: Group) => Promise<ComputedCrop[]>;
  readonly #closing = new AbortController();
  address: string | null = null;
  workers = 0;
  #failure: Error | null = null;
  #waiting: { resolve(batch: FeatureBatch): void; reject(error: Error): void } | null = null;

  constructor({ sample, extractor, window = WINDOW, patienceMs = PATIENCE_MS, ...settings }: FeedOptions) {
    const { signal } = this.#closing;
    this.#compute = groupPipeline({ config: settings.config, sample, extractor, signal });
    const workerData: CollectorSettings = { ...settings, window, patienceMs };
    this.#thread = new Worker(new URL('./collector-thread.mjs', import.meta.url), { workerData });
    this.#exited = new Promise((resolve) => this.#thread.once('exit', () => resolve()));
    this.ready = this.#listen();
  }

  next(): Promise<FeatureBatch> {
    if (this.#failure) return Promise.reject(this.#failure);
    this.#tell({ type: 'next' });
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** Workers are told that there is no more to do; what the backbone is at is finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new Error('the feed is closed'));
    this.#tell({ type: 'close' });
    await this.#exited;
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error: Error) => {
        this.#fail(error);
        reject(error);
      };
      this.#thread.on('message', (message: FromCollector) => {
        if (message.type === 'ready') {
          this.address = message.address;
          resolve();
        } else if (message.type === 'workers') this.workers = message.workers;
        else if (message.type === 'compute') void this.#answer(message.group);
        else if (message.type === 'batch') this.#handOut(message.batch);
        else end(errorOf(message));
      });
      this.#thread.on('error', end);
      this.#thread.on('exit', (code) => end(new Error(`the collector's thread ended (exit code ${code})`)));
    });
  }

  async #answer(group: Group): Promise<void> {
    try {
      const crops = await this.#compute(group);
      this.#tell({ type: 'computed', crops }, buffersOf(crops));
    } catch (error) {
      this.#tell(threadFailure(error));
    }
  }

  #handOut(batch: FeatureBatch): void {
    this.#waiting?.resolve(batch);
    this.#waiting = null;
  }

  #fail(failure: Error): void {
    this.#failure ??= failure;
    this.#closing.abort();
    this.#waiting?.reject(this.#failure);
    this.#waiting = null;
  }

  #tell(message: ToCollector, transfer: ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transfer);
  }
}

/** Each once: the crops of a group are parts of the same arrays. */
function buffersOf(crops: ComputedCrop[]): ArrayBuffer[] {
  const arrays = crops.flatMap(({ features, labels }) => [...features, labels]);
  return [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))];
}
