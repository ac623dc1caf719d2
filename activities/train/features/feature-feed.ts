import { Thread } from '../../thread.ts';
import type { CollectorExchange } from './collector-protocol.ts';
import type { Extractor } from './extractor.ts';
import { type CollectorHooks, type CollectorSettings, FeatureCollector } from './feature-collector.ts';
import type { FeatureBatch } from './feature-window.ts';
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
 * same, whoever computes: feature workers, and the trainer itself where there are none or while it waits. Where workers
 * are served, batches are put together on a thread of their own.
 *
 * @throws BadInput if it can't listen
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
    /** Workers are told that there is no more to do; what the backbone is at is finished. */
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

/** Each once: the crops of a group are parts of the same arrays. */
function buffersOf(crops: ComputedCrop[]): ArrayBuffer[] {
  const arrays = crops.flatMap(({ features, labels }) => [...features, labels]);
  return [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))];
}
