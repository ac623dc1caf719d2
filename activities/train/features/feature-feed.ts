import type { Extractor } from './extractor.ts';
import { type Endpoint, FeatureServer } from './feature-server.ts';
import { type FeatureBatch, FeatureWindow } from './feature-window.ts';
import { type ComputedCrop, groupPipeline, type SampleOf } from './group-work.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Groups that the trainer itself has at a time: one in the backbone, one whose samples are made meanwhile. */
const GROUPS_AHEAD = 2;
/** Far beyond what a batch takes anywhere; a worker that hangs holds a training up for so long once. */
const PATIENCE_MS = 120_000;

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

export interface FeedOptions {
  config: FeaturesConfig;
  /** Steps `[first, end)`, counted from 0. */
  first: number;
  end: number;
  sample: SampleOf;
  /** For what the trainer computes itself. */
  extractor: Extractor;
  /** Where feature workers are served; null: there are none. */
  serve: (Endpoint & { token: string }) | null;
  /** What may be computed ahead, float32 as the head wants it. One more batch is in the trainer's hands. */
  window?: { steps: number; bytes: number };
  patienceMs?: number;
}

const DEFAULT_WINDOW = { steps: 8, bytes: 4 * 2 ** 30 };

/**
 * Opens the stream of batches that a head is trained on. The order is that of the steps, and the numbers are the
 * same, whoever computes: feature workers if there are any, else the trainer itself.
 *
 * @throws BadInput if it can't listen
 */
export async function openFeatureFeed(options: FeedOptions): Promise<FeatureFeed> {
  const feed = new Feed(options);
  await feed.serve(options);
  return feed;
}

class Feed implements FeatureFeed {
  readonly #window: FeatureWindow;
  readonly #compute: ReturnType<typeof groupPipeline>;
  readonly #closing = new AbortController();
  readonly #own = new Set<Promise<void>>();
  #server: FeatureServer | null = null;
  #failure: Error | null = null;
  #waiting: { resolve(batch: FeatureBatch): void; reject(error: Error): void } | null = null;

  constructor({ config, first, end, sample, extractor, window = DEFAULT_WINDOW }: FeedOptions) {
    this.#window = new FeatureWindow({ config, first, end, ...window });
    this.#compute = groupPipeline({ config, sample, extractor, signal: this.#closing.signal });
  }

  async serve({ serve, config, patienceMs = PATIENCE_MS }: FeedOptions): Promise<void> {
    if (serve)
      this.#server = await FeatureServer.open({
        ...serve,
        ...{ config, window: this.#window, patienceMs },
        onChange: () => this.#advance(),
        onFailure: (failure) => this.#fail(failure),
      });
    this.#advance();
  }

  get address(): string | null {
    return this.#server?.address ?? null;
  }

  get workers(): number {
    return this.#server?.workers ?? 0;
  }

  next(): Promise<FeatureBatch> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#advance();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new Error('the feed is closed'));
    await this.#server?.[Symbol.asyncDispose]();
    await Promise.all(this.#own);
  }

  /** Hands out what is there, then has computed what there is room for. */
  #advance(): void {
    if (this.#failure) {
      this.#waiting?.reject(this.#failure);
      this.#waiting = null;
      return;
    }
    const batch = this.#waiting && this.#window.shift();
    if (batch) {
      this.#waiting?.resolve(batch);
      this.#waiting = null;
    }
    this.#server?.dispatch();
    while (this.workers === 0 && this.#own.size < GROUPS_AHEAD && this.#computeOne());
  }

  /** Whether there was a group to compute. */
  #computeOne(): boolean {
    const group = this.#window.take();
    if (!group) return false;
    const computing = this.#compute(group)
      .then((crops) => {
        for (const crop of crops) this.#put(crop);
      })
      .catch((error) => this.#fail(error))
      .then(() => {
        this.#own.delete(computing);
        this.#advance();
      });
    this.#own.add(computing);
    return true;
  }

  #put({ step, slot, features, labels }: ComputedCrop): void {
    const place = this.#window.place(step, slot);
    if (!place) return;
    for (const [tap, feature] of features.entries()) place.features[tap]!.set(feature);
    place.labels.set(labels);
    this.#window.put(step, slot);
  }

  #fail(failure: Error): void {
    this.#failure ??= failure;
    this.#closing.abort();
    this.#advance();
  }
}
