import type { TrainableConfig } from '../../../core/config/train-run.ts';
import { backboneSpecs } from '../../../core/model/backbone.ts';
import { featuresGraph } from '../../../core/model/features-graph.ts';
import { type CheckpointOnDisk, type PreparedModel, writeModel } from '../../onnx/write-model.ts';

/** The part of a config that features depend on. */
export type FeaturesConfig = Pick<TrainableConfig, 'model' | 'run' | 'train'>;

/**
 * Builds a config's backbone from checkpoints on disk and writes the model file. The checkpoints need not have heads.
 *
 * @param folder for the model file; ONNX Runtime reads weights in or below it directly, others by `dataFolder`
 * @throws BadInput, BadData if the checkpoints do not match the config
 */
export async function prepareFeatures(
  folder: string,
  checkpoints: CheckpointOnDisk[],
  config: FeaturesConfig,
): Promise<PreparedModel> {
  const { model, run } = config;
  return writeModel({
    folder,
    kind: 'features',
    checkpoints,
    model,
    specs: backboneSpecs(model),
    build: (weights) => featuresGraph({ config, weights, batch: run.batch }),
  });
}
