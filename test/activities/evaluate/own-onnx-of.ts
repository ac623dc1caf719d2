import { readFileSync } from 'node:fs';
import path from 'node:path';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import type { Config } from '../../../core/config/config.ts';
import type { VitConfig } from '../../../core/config/model-kinds.ts';
import { joinUri, type Store } from '../../../core/store.ts';

/**
 * Puts a model of ours into a store as if it were somebody's own: bytes in, channels last, weights in files beside it, a
 * batch of `run.batch`. What it gives must be what our own evaluation gives.
 *
 * @param folder with the checkpoints, in which the model is built as well
 * @returns the config that evaluates it
 */
export async function ownOnnxOf(
  store: Store,
  target: string,
  { folder, checkpoints }: { folder: string; checkpoints: string[] },
  ours: VitConfig,
): Promise<Config> {
  const files = checkpoints.map((name) => ({ name, file: path.join(folder, name) }));
  const { modelFile } = await prepareModel(folder, files, ours);
  for (const { name, file } of files) await store.write(joinUri(target, name), readFileSync(file));
  const file = joinUri(target, 'model.onnx');
  await store.write(file, readFileSync(modelFile));
  const { head, backbone, test } = ours.model;
  return {
    ...ours,
    name: `${ours.name}-onnx`,
    model: {
      type: 'onnx',
      file,
      input: { sizePx: backbone.imageSizePx, layout: 'NHWC', channels: 'RGB' },
      output: { layout: 'NCHW' },
      classes: head.classes,
      test,
    },
    pipeline: { ...ours.pipeline, mean: [0, 0, 0], std: [1, 1, 1] },
  };
}
