import { Thread } from '../../thread.ts';
import type { CollectorExchange } from './collector-protocol.ts';
import type { Extractor } from './extractor.ts';
import { type CollectorHooks, type CollectorSettings, FeatureCollector } from './feature-collector.ts';
import type { FeatureBatch } from './feature-window.ts';
import { type ComputedCrop, groupPipeline, type SampleOf } from './group-work.ts';

/** Time limit of a group, far above the normal time. A worker that hangs delays a training by this once. */
const PATIENCE_MS = 120_000;
const WINDOW = { steps: 8, bytes: 4 * 2 ** 30 };

/** The batches of a part of a training, in order. */
export interface FeatureFeed extends AsyncDisposable {
  /**
   * The next step's batch; one call at a time.
   *
   * @throws the failure that ended the feed, such as BadData for a damaged image
   */
  next(): Promise<FeatureBatch>;
  /** Address that workers send features to, `host:port`; null without feature workers. */
  readonly address: string | null;
  /** Number of connected workers. */
  readonly workers: number;
}

export interface FeedOptions
  extends Omit<CollectorSettings, 'window' | 'patienceMs'>,
    Partial<Pick<CollectorSettings, 'window' | 'patienceMs'>> {
  sample: SampleOf;
  /** The trainer's own backbone. */
  extractor: Extractor;
}

/**
 * Opens the stream of batches that a head is trained on, in the order of the steps. Feature workers compute them; the
 * trainer computes some itself if there are no workers or while it waits. The numbers do not depend on who computes
 * them. With feature workers, batches are collected on a separate thread.
 *
 * @throws BadInput if it cannot listen
 */
export async function openFeatureFeed(options: FeedOptions): Promise<FeatureFeed> {
  const { sample, extractor, window = WINDOW, patienceMs = PATIENCE_MS, ...given } = options;
  const settings: CollectorSettings = { ...given, window, patienceMs };
  const closing = new AbortController();
  const { signal } = closing;
  const compute = groupPipeline({ config: settings.config, sample, extractor, signal });
  const collector = await (settings.serve ? openThread : FeatureCollector.open)(settings, {
    compute,
    onWorkers() {},
  });
  return {
    address: collector.address,
    get workers() {
      return collector.workers;
    },
    next: () =>
      collector.next().catch((error) => {
        closing.abort();
        throw error;
      }),
    /** Ends the workers' streams, and waits for the backbone's current group. */
    async [Symbol.asyncDispose]() {
      closing.abort();
      await collector[Symbol.asyncDispose]();
    },
  };
}

/** A collector on a thread of its own. */
async function openThread(
  data: CollectorSettings,
  { compute }: Pick<CollectorHooks, 'compute'>,
): Promise<FeatureFeed> {
  let workers = 0;
  const thread = new Thread<CollectorExchange>({
    name: "collector's",
    program: new URL('./collector-thread', import.meta.url),
    data,
    onNews(count) {
      workers = count;
    },
    async supply(group) {
      const value = await compute(group);
      return { value, transfer: buffersOf(value) };
    },
  });
  const address = await thread.ready;
  return {
    address,
    get workers() {
      return workers;
    },
    next: () => thread.ask(null),
    [Symbol.asyncDispose]: () => thread[Symbol.asyncDispose](),
  };
}

/** Unique buffers: the crops of a group are parts of the same arrays. */
function buffersOf(crops: ComputedCrop[]): ArrayBuffer[] {
  const arrays = crops.flatMap(({ features, labels }) => [...features, labels]);
  return [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))];
}
