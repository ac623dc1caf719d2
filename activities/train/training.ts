import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { HeadState } from '../../core/config/train.ts';
import type { ServeTask, TrainRun } from '../../core/config/train-run.ts';
import { trainingMemory } from '../../core/model/device-memory.ts';
import { headAtStart, initialTensors } from '../../core/train/initial-head.ts';
import { checkGpu } from '../onnx/gpu.ts';
import { type FeatureContext, openFeatureSource } from './feature-source.ts';
import { featureEndpoint } from './features/endpoint.ts';
import { openFeatureFeed } from './features/feature-feed.ts';
import type { FeatureBatch } from './features/feature-window.ts';
import { reaches, type ServeEnd, serveFeatures } from './features/serve-features.ts';
import { HeadTrainer } from './head-trainer.ts';
import type { Feed, FeedHooks, SegmentContext } from './train-segment.ts';

/** What a worker does of a training: all of a segment, or features for who does. */
export interface TrainingWork {
  segments: SegmentContext<FeatureBatch>;
  /** Brings features to a trainer until it has enough or is gone, or the signal says so. */
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
        await checkGpu(device, trainingMemory(config), `train.batch=${config.train.batch} of ${config.name}`);
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

/** Heartbeats go on between one piece and the next. */
async function initialState({ config }: TrainRun): Promise<HeadState> {
  const making = initialTensors(config.model, config.train.seed);
  for (;;) {
    const { done, value } = making.next();
    if (done) return headAtStart(value);
    await setImmediate();
  }
}

/** The run's features: of this worker alone, or of all its workers. It ends when the signal says so. */
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
