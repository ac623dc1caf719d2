import type { VitConfig } from '../../core/config/model-kinds.ts';
import { modelSpecs } from '../../core/model/model-specs.ts';
import { segmenterGraph } from '../../core/model/segmenter-graph.ts';
import { type CheckpointOnDisk, type PreparedModel, writeModel } from '../onnx/write-model.ts';

/**
 * Builds a config's segmenter over checkpoints on disk and writes the model file.
 *
 * @param folder for the model file; ONNX Runtime takes weights in it or below it as they are, others by `dataFolder`
 * @throws BadInput, BadData if the checkpoints don't fit the config
 */
export async function prepareModel(
  folder: string,
  checkpoints: CheckpointOnDisk[],
  config: Pick<VitConfig, 'model' | 'pipeline' | 'run'>,
  stages: string[] = [],
): Promise<PreparedModel> {
  const { model, run } = config;
  const { batch, precision } = run;
  return writeModel({
    folder,
    kind: 'segmenter',
    checkpoints,
    model,
    specs: modelSpecs(model),
    build: (weights) => segmenterGraph({ config, weights, batch, precision, stages }),
  });
}
