import { serveThread } from '../../serve-thread.ts';
import type { CollectorExchange } from './collector-protocol.ts';
import { FeatureCollector } from './feature-collector.ts';

/*
 * The thread that receives features. Messages of megabytes cause frequent garbage collections, each of which scans the
 * whole heap; this thread's heap is small (docs/decisions/0010).
 */
serveThread<CollectorExchange>(async (settings, opener) => {
  const collector = await FeatureCollector.open(settings, {
    compute: opener.need,
    onWorkers: (workers) => opener.report(workers),
  });
  let ended: Promise<void> | undefined;
  return {
    ready: collector.address,
    async ask() {
      const value = await collector.next();
      return { value, transfer: [...value.features, value.labels].map(({ buffer }) => buffer) };
    },
    // The pending request for a batch fails with this.
    closing() {
      ended = collector[Symbol.asyncDispose]();
    },
    close: async () => ended,
  };
});
