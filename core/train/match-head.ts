import type { CheckpointIndex, IndexedTensor } from '../checkpoint/checkpoint-index.ts';
import { BadInput } from '../config/failures.ts';
import type { VitModel } from '../config/model-kinds.ts';
import { headSpecs, parameterSpecs } from '../model/head.ts';
import type { TensorSpec } from '../model/tensor-spec.ts';

/** AdamW's moments of a parameter, as torch names them in its state. */
export const MOMENTS = { first: 'exp_avg', second: 'exp_avg_sq' } as const;

/**
 * Finds each tensor of a config's heads in a checkpoint of the heads or of the whole model.
 *
 * @param where names the config in messages
 * @throws BadInput naming the tensor, both shapes, and both files
 */
export function matchHead(file: CheckpointIndex, model: VitModel, where: string): Map<string, IndexedTensor> {
  return match(file, headSpecs(model), where);
}

/** As `matchHead`, for the moments of all parameters: `<parameter>.exp_avg`, `<parameter>.exp_avg_sq`. */
export function matchMoments(
  file: CheckpointIndex,
  model: VitModel,
  where: string,
): Map<string, IndexedTensor> {
  const specs = parameterSpecs(model).flatMap(({ name, shape }) =>
    Object.values(MOMENTS).map((moment) => ({ name: `${name}.${moment}`, shape })),
  );
  return match(file, specs, where);
}

function match(file: CheckpointIndex, specs: TensorSpec[], where: string): Map<string, IndexedTensor> {
  const found = new Map<string, IndexedTensor>();
  for (const { name, shape } of specs) {
    const tensor = file.tensors.get(name);
    if (!tensor)
      throw new BadInput(`${file.name}: lacks ${name} [${shape.join(', ')}], which ${where} trains`);
    if (tensor.shape.join() !== shape.join())
      throw new BadInput(
        `${file.name}: ${name} has shape [${tensor.shape.join(', ')}], but in ${where} it is [${shape.join(', ')}]`,
      );
    found.set(name, tensor);
  }
  return found;
}
