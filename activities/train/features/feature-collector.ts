import { type Endpoint, FeatureServer } from './feature-server.ts';
import { type FeatureBatch, FeatureWindow, type Group } from './feature-window.ts';
import type { ComputedCrop } from './group-work.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Groups that the trainer computes at once: one in the backbone, one whose samples are loaded meanwhile. */
const GROUPS_AHEAD = 2;

/** Options that can be sent to another thread. */
export interface CollectorSettings {
  config: FeaturesConfig;
  /** Steps `[first, end)`, counted from 0. */
  first: number;
  end: number;
  /** Endpoint for feature workers; null: there are none. */
  serve: (Endpoint & { token: string }) | null;
  /** Limit of batches computed ahead, float32. The trainer holds one more batch. */
  window: { steps: number; bytes: number };
  /** Time limit of a group: after it the group is also given to another worker. */
  patienceMs: number;
}

export interface CollectorHooks {
  /** The trainer's own backbone. */
  compute(group: Group): Promise<ComputedCrop[]>;
  /** Called when a worker joins or leaves. */
  onWorkers(workers: number): void;
}

/**
 * Collects the batches of a part of a training, in order. Feature workers compute the groups; the trainer computes some
 * itself if there are no workers or while it waits.
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

  /** @throws BadInput if it cannot listen */
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

  /** Address that workers send features to, `host:port`; null without feature workers. */
  get address(): string | null {
    return this.#server?.address ?? null;
  }

  /** Number of connected workers. */
  get workers(): number {
    return this.#workers;
  }

  /** The next step's batch; one call at a time. @throws the failure that ended the collection */
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

  /** Delivers complete batches, then starts groups while the window has room. */
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
    // With workers, only while the trainer waits: the head's steps have priority on the GPU.
    while ((this.#workers === 0 || this.#waiting) && this.#own.size < GROUPS_AHEAD && this.#computeOne());
  }

  #countWorkers(): void {
    const workers = this.#server?.workers ?? 0;
    if (workers !== this.#workers) this.#hooks.onWorkers(workers);
    this.#workers = workers;
  }

  /** @returns whether a group was started */
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
