import { serveThread } from '../../serve-thread.ts';
import type { CollectorExchange } from './collector-protocol.ts';
import { FeatureCollector } from './feature-collector.ts';

/*
 * The thread that features come to. Messages of megabytes call for a garbage collection every few of them, and each
 * one looks at all of a heap: this one is small (docs/decisions/0010).
 */
serveThread<CollectorExchange>(async (settings, opener) => {
  const collector = await FeatureCollector.open(settings, {
    compute: opener.need,
    onWorkers: (workers) => opener.tell(workers),
  });
  let ended: Promise<void> | undefined;
  return {
    ready: collector.address,
    async ask() {
      const value = await collector.next();
      return { value, transfer: [...value.features, value.labels].map(({ buffer }) => buffer) };
    },
    // By this the batch that is asked for fails.
    closing() {
      ended = collector[Symbol.asyncDispose]();
    },
    close: async () => ended,
  };
});
