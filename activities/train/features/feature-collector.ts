import { type Endpoint, FeatureServer } from './feature-server.ts';
import { type FeatureBatch, FeatureWindow, type Group } from './feature-window.ts';
import type { ComputedCrop } from './group-work.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Groups that the trainer itself has at a time: one in the backbone, one whose samples are made meanwhile. */
const GROUPS_AHEAD = 2;

/** What can be said to another thread. */
export interface CollectorSettings {
  config: FeaturesConfig;
  /** Steps `[first, end)`, counted from 0. */
  first: number;
  end: number;
  /** Where feature workers are served; null: there are none. */
  serve: (Endpoint & { token: string }) | null;
  /** What may be computed ahead, float32 as the head wants it. One more batch is in the trainer's hands. */
  window: { steps: number; bytes: number };
  /** A group that takes a worker longer than this is given to another one as well. */
  patienceMs: number;
}

export interface CollectorHooks {
  /** The trainer's own backbone. */
  compute(group: Group): Promise<ComputedCrop[]>;
  /** Called when a worker came or went. */
  onWorkers(workers: number): void;
}

/**
 * Makes the batches of a part of a training, in order: has their groups computed, by feature workers, and by the
 * trainer where there are none or while it waits, and puts crops where they belong.
 */
export class FeatureCollector implements AsyncDisposable {
  readonly #window: FeatureWindow;
  readonly #hooks: CollectorHooks;
  readonly #own = new Set<Promise<void>>();
  #server: FeatureServer | null = null;
  #workers = 0;
  #failure: Error | null = null;
  #waiting: { resolve(batch: FeatureBatch): void; reject(error: Error): void } | null = null;

  private constructor({ config, first, end, window }: CollectorSettings, hooks: CollectorHooks) {
    this.#window = new FeatureWindow({ config, first, end, ...window });
    this.#hooks = hooks;
  }

  /** @throws BadInput if it can't listen */
  static async open(settings: CollectorSettings, hooks: CollectorHooks): Promise<FeatureCollector> {
    const collector = new FeatureCollector(settings, hooks);
    const { serve, config, patienceMs } = settings;
    if (serve)
      collector.#server = await FeatureServer.open({
        ...serve,
        config,
        window: collector.#window,
        patienceMs,
        onChange: () => collector.#advance(),
        onFailure: (failure) => collector.#fail(failure),
      });
    collector.#advance();
    return collector;
  }

  /** Where workers bring features to, `host:port`; null if nobody may. */
  get address(): string | null {
    return this.#server?.address ?? null;
  }

  /** Workers that are there now. */
  get workers(): number {
    return this.#workers;
  }

  /** The next step's batch; one call at a time. @throws what has ended the collecting, whoever found it */
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
    this.#countWorkers();
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
    // Beside workers only while nothing else is to be done: the head has the GPU first.
    while ((this.#workers === 0 || this.#waiting) && this.#own.size < GROUPS_AHEAD && this.#computeOne());
  }

  #countWorkers(): void {
    const workers = this.#server?.workers ?? 0;
    if (workers !== this.#workers) this.#hooks.onWorkers(workers);
    this.#workers = workers;
  }

  /** Whether there was a group to compute. */
  #computeOne(): boolean {
    const group = this.#window.take();
    if (!group) return false;
    const computing = this.#hooks
      .compute(group)
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
    this.#advance();
  }
}
