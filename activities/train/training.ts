import { randomBytes } from 'node:crypto';
import type { StateSource } from '../../core/config/train.ts';
import type { ServeTask, TrainRun } from '../../core/config/train-run.ts';
import { trainsBackbone } from '../../core/train/trainable.ts';
import { trainerBytes } from '../../core/train/training-memory.ts';
import { checkGpu } from '../onnx/gpu.ts';
import { type FeatureContext, openFeatureSource } from './feature-source.ts';
import { featureEndpoint } from './features/endpoint.ts';
import { openFeatureFeed } from './features/feature-feed.ts';
import type { FeatureBatch } from './features/feature-window.ts';
import { reaches, type ServeEnd, serveFeatures } from './features/serve-features.ts';
import { initialState, openBackbone, rotaryConstants } from './initial-state.ts';
import { modelKeeper } from './keep-model.ts';
import type { Feed, FeedHooks, SegmentContext } from './train-segment.ts';
import { ModelTrainer } from './trainer.ts';

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
      keepModel: modelKeeper(context.cacheFolder),
      initialState: (run, signal) => initialState(context, run, signal),
      openTrainer: (run, state, signal) => openTrainer(context, run, state, signal),
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

/** A trainer that holds a state. @throws OutOfMemory if it does not fit */
async function openTrainer(
  context: FeatureContext,
  run: TrainRun,
  state: StateSource,
  signal: AbortSignal,
): Promise<ModelTrainer> {
  const { config } = run;
  const { device, threads } = config.run;
  await checkGpu(device, trainerBytes(config), `train.batch=${config.train.batch} of ${config.name}`);
  const backbone = openBackbone(context, run, signal);
  const constants = await rotaryConstants(config, backbone);
  const { step } = state;
  const trainer = await ModelTrainer.open({ config, threads, step, constants, frozen: backbone });
  try {
    for await (const tensor of state.tensors()) await trainer.put(tensor);
    return trainer;
  } catch (error) {
    await trainer[Symbol.asyncDispose]();
    throw error;
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
  // Features of a backbone that trains would be of no use a step later.
  const isServed = fleet.workers > 1 && !trainsBackbone(config);
  const serve = isServed ? { ...featureEndpoint(), token } : null;
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
