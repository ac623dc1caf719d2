import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createRandom } from '../../cli/demo/scene-random.ts';
import { randomBackbone } from '../../cli/demo/tiny-model.ts';
import { elementCount } from '../../core/checkpoint/dtypes.ts';
import { type TensorToWrite, writeTorchFile } from '../../core/checkpoint/torch-writer.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { VitModel } from '../../core/config/model-kinds.ts';
import { modelSpecs } from '../../core/model/model-specs.ts';

/** A file is made in memory, and twice as much is needed for it. */
const MAX_BYTES = 2 ** 31;
const SEED = 11;

/**
 * Checkpoints of random weights for a model, made once for each model: their predictions mean nothing,
 * their speed is real.
 *
 * @throws BadInput if the model is too big to be made here
 */
export async function randomModel(
  folder: string,
  model: VitModel,
): Promise<{ backbone: string; head: string }> {
  const bytes = modelSpecs(model).reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0);
  if (bytes > MAX_BYTES)
    throw new BadInput(
      `the model has ${(bytes / 1e9).toFixed(1)} GB of weights; random ones are made up to ` +
        `${(MAX_BYTES / 1e9).toFixed(1)} GB: override model.backbone.depth or embedDim`,
    );
  const digest = createHash('sha256').update(JSON.stringify(model)).digest('hex').slice(0, 12);
  const files = {
    backbone: path.join(folder, `random-${digest}-backbone.pth`),
    head: path.join(folder, `random-${digest}-head.pth`),
  };
  if (existsSync(files.backbone) && existsSync(files.head)) return files;
  await mkdir(folder, { recursive: true });
  await write(files.backbone, writeTorchFile({ tensors: randomBackbone(model, SEED), wrap: 'none' }));
  await write(files.head, writeTorchFile({ tensors: randomHead(model), wrap: 'state_dict' }));
  return files;
}

function randomHead(model: VitModel): TensorToWrite[] {
  const random = createRandom(SEED);
  return modelSpecs(model)
    .filter(({ name }) => name.startsWith('decode_head.'))
    .map(({ name, shape }) => {
      const isVariance = name.endsWith('running_var');
      const deviation = 1 / Math.sqrt(model.head.channels);
      const value = () => (isVariance ? 1 : deviation * random.normal());
      const values = Float32Array.from({ length: elementCount(shape) }, value);
      return { name, dtype: 'float32', shape, data: new Uint8Array(values.buffer) };
    });
}

async function write(file: string, bytes: Uint8Array): Promise<void> {
  await writeFile(`${file}.new`, bytes);
  await rename(`${file}.new`, file);
}
