import type { StagedObject } from '../../core/config/eval.ts';
import type { VitModel } from '../../core/config/model-kinds.ts';
import type { ServeTask } from '../../core/config/train-run.ts';
import { planChain } from '../../core/model/chain/chain-plan.ts';
import { featuresMemory } from '../../core/model/device-memory.ts';
import { readPlannedDataset } from '../../core/read-manifest.ts';
import { folderOf, type Store } from '../../core/store.ts';
import { trainingImages } from '../../core/train/sample-order.ts';
import { checkGpu } from '../onnx/gpu.ts';
import type { CheckpointOnDisk } from '../onnx/write-model.ts';
import { BackboneExtractor, type Extractor, NOTHING_FROZEN } from './features/extractor.ts';
import type { SampleOf } from './features/group-work.ts';
import { prepareFeatures } from './features/prepare-features.ts';
import { loadSample } from './load-sample.ts';

/** Dependencies of computing features. */
export interface FeatureContext {
  store: Store;
  /** Folder of the node's cache. */
  cacheFolder: string;
  /** Fetches the part of a checkpoint that a model needs into the node's cache. */
  fetch(
    object: StagedObject,
    options: { model: VitModel; signal: AbortSignal },
  ): Promise<Omit<CheckpointOnDisk, 'name'>>;
}

/** A run's samples, and the frozen stretch of its backbone that computes their features. */
export interface FeatureSource extends AsyncDisposable {
  sample: SampleOf;
  extractor: Extractor;
}

/**
 * Loads a run's frozen backbone, if any of it is, and the list of its images.
 *
 * @throws BadData if the dataset has changed since the plan; BadInput, OutOfMemory, Unavailable
 */
export async function openFeatureSource(
  { store, cacheFolder, fetch }: FeatureContext,
  { config, weights, dataset }: ServeTask['run'],
  signal: AbortSignal,
): Promise<FeatureSource> {
  const manifest = await readPlannedDataset(store, dataset);
  const images = trainingImages(manifest.images, config.train);
  const context = { store, root: folderOf(dataset.uri), images, config };
  const sample: SampleOf = (step, slot, stop) => loadSample(context, step, slot, stop);
  if (planChain(config).inputs[0]!.kind === 'images')
    return { sample, extractor: NOTHING_FROZEN, async [Symbol.asyncDispose]() {} };
  await checkGpu(
    config.run.device,
    featuresMemory(config),
    `run.batch=${config.run.batch} of ${config.name}`,
  );
  const fetched = await fetch(weights, { model: config.model, signal });
  const model = await prepareFeatures(cacheFolder, [{ name: weights.uri, ...fetched }], config);
  signal.throwIfAborted();
  const extractor = await BackboneExtractor.open({ ...model, config });
  return {
    sample,
    extractor,
    [Symbol.asyncDispose]: () => extractor[Symbol.asyncDispose](),
  };
}
