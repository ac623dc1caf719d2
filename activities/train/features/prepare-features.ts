import type { TrainableConfig } from '../../../core/config/train-run.ts';
import { backboneSpecs } from '../../../core/model/backbone.ts';
import { featuresGraph } from '../../../core/model/features-graph.ts';
import { type CheckpointOnDisk, type PreparedModel, writeModel } from '../../onnx/write-model.ts';

/** What of a config the features depend on. */
export type FeaturesConfig = Pick<TrainableConfig, 'model' | 'run' | 'train'>;

/**
 * Builds a config's backbone over checkpoints on disk and writes the model file. Heads need not be in them.
 *
 * @param folder for the model file; ONNX Runtime takes weights in it or below it as they are, others by `dataFolder`
 * @throws BadInput, BadData if the checkpoints don't fit the config
 */
export async function prepareFeatures(
  folder: string,
  checkpoints: CheckpointOnDisk[],
  config: FeaturesConfig,
): Promise<PreparedModel> {
  const { model, run, train } = config;
  return writeModel({
    folder,
    kind: 'features',
    checkpoints,
    model,
    specs: backboneSpecs(model),
    build: (weights) => featuresGraph({ config, weights, batch: run.batch, features: train.features }),
  });
}
