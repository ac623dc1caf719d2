import { elementCount } from '../../../../core/checkpoint/dtypes.ts';
import type { TensorSpec } from '../../../../core/model/tensor-spec.ts';
import { drawsAt } from '../../../../core/train/draws.ts';
import { distribution } from '../../../smoke/random-checkpoint.ts';

/** A prime: rows of a matrix do not repeat. Drawing billions of numbers would take minutes. */
const PERIOD = 1_048_573;

let drawn: Float32Array | null = null;

/** Normal numbers, the same each time. */
export function randomNumbers(count: number, mean = 0, deviation = 1): Float32Array<ArrayBuffer> {
  if (!drawn) {
    const { normal } = drawsAt(0, 'bench');
    drawn = Float32Array.from({ length: PERIOD }, normal);
  }
  const period = mean === 0 && deviation === 1 ? drawn : drawn.map((value) => mean + deviation * value);
  const numbers = new Float32Array(count);
  for (let start = 0; start < count; start += PERIOD)
    numbers.set(period.subarray(0, Math.min(PERIOD, count - start)), start);
  return numbers;
}

/** A random tensor of a model: with such, activations keep their size from block to block. */
export function randomTensor(spec: TensorSpec): Float32Array<ArrayBuffer> {
  const { mean, deviation } = distribution(spec);
  return randomNumbers(elementCount(spec.shape), mean, deviation);
}
