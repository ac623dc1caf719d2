import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { HeadState } from '../../core/config/train.ts';
import type { ServeTask, TrainRun } from '../../core/config/train-run.ts';
import { headAtStart, initialTensors } from '../../core/train/initial-head.ts';
import { trainerBytes } from '../../core/train/training-memory.ts';
import { checkGpu } from '../onnx/gpu.ts';
import { type FeatureContext, openFeatureSource } from './feature-source.ts';
import { featureEndpoint } from './features/endpoint.ts';
import { openFeatureFeed } from './features/feature-feed.ts';
import type { FeatureBatch } from './features/feature-window.ts';
import { reaches, type ServeEnd, serveFeatures } from './features/serve-features.ts';
import { HeadTrainer } from './head-trainer.ts';
import type { Feed, FeedHooks, SegmentContext } from './train-segment.ts';

/** A worker's part in a training: the trainer of a segment, or a feature worker. */
export interface TrainingWork {
  segments: SegmentContext<FeatureBatch>;
  /** Sends features to a trainer until the trainer has enough or is lost, or the signal aborts. */
  serve(task: ServeTask, signal: AbortSignal): Promise<ServeEnd>;
}

export function trainingWork(
  context: FeatureContext & { worker: string; scratchFolder: string },
): TrainingWork {
  const { store, worker, scratchFolder } = context;
  return {
    segments: {
      store,
      worker,
      scratchFolder,
      initialState,
      async openTrainer({ config }, state) {
        const { device, threads } = config.run;
        await checkGpu(device, trainerBytes(config), `train.batch=${config.train.batch} of ${config.name}`);
        return HeadTrainer.open({ config, state, threads });
      },
      openFeed: (run, steps, hooks) => openFeed(context, run, steps, hooks),
    },
    async serve({ run, trainer: { address, token } }, signal) {
      const { config } = run;
      if (!(await reaches(address, config))) return 'trainer-lost';
      await using source = await openFeatureSource(context, run, signal);
      const { sample, extractor } = source;
      return await serveFeatures({ address, token, config, sample, extractor, signal });
    },
  };
}

/** Yields to the event loop between pieces, so that heartbeats are sent. */
async function initialState({ config }: TrainRun): Promise<HeadState> {
  const tensors = initialTensors(config.model, config.train.seed);
  for (;;) {
    const { done, value } = tensors.next();
    if (done) return headAtStart(value);
    await setImmediate();
  }
}

/** The run's features, computed by this worker alone or by all workers. Closed when the signal aborts. */
async function openFeed(
  context: FeatureContext,
  run: TrainRun,
  { first, end }: { first: number; end: number },
  { signal, onReady }: FeedHooks,
): Promise<Feed<FeatureBatch>> {
  const { config, fleet } = run;
  const token = randomBytes(32).toString('hex');
  const serve = fleet.workers > 1 ? { ...featureEndpoint(), token } : null;
  const source = await openFeatureSource(context, run, signal);
  try {
    const { sample, extractor } = source;
    const feed = await openFeatureFeed({ config, first, end, sample, extractor, serve });
    if (feed.address) onReady(feed.address, token);
    const close = () => feed[Symbol.asyncDispose]();
    const stop = () => void close();
    signal.addEventListener('abort', stop, { once: true });
    return {
      next: () => feed.next(),
      get workers() {
        return feed.workers;
      },
      async [Symbol.asyncDispose]() {
        signal.removeEventListener('abort', stop);
        await close();
        await source[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}
