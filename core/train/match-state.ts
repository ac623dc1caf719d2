import type { CheckpointIndex, IndexedTensor } from '../checkpoint/checkpoint-index.ts';
import { BadInput } from '../config/failures.ts';
import type { TensorSpec } from '../model/tensor-spec.ts';

/** AdamW's moments of a parameter, as torch names them in its state. */
export const MOMENTS = { first: 'exp_avg', second: 'exp_avg_sq' } as const;
/** A parameter's float32 numbers, where the model's file holds them rounded. */
export const MASTER = 'master';

/**
 * Finds each tensor of a training's state in a checkpoint.
 *
 * @param where names the config in messages
 * @throws BadInput naming the tensor, both shapes, and both files
 */
export function matchState(
  file: CheckpointIndex,
  specs: TensorSpec[],
  where: string,
): Map<string, IndexedTensor> {
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
