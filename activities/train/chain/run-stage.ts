import type { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import type { Session } from '../../onnx/c-api/session.ts';

export type Tensors = Record<string, DeviceTensor>;

/** Runs a session once. Every input and output stays where it lies. */
export function runStage(session: Session, inputs: Tensors, outputs: Tensors): void {
  runWithResults(session, inputs, outputs, []);
}

/**
 * As `runStage`, with outputs that are given out.
 *
 * @param onHost outputs of a few float32 numbers each
 */
export function runWithResults(
  session: Session,
  inputs: Tensors,
  outputs: Tensors,
  onHost: string[],
): Record<string, Float32Array> {
  using binding = session.bind();
  for (const [name, tensor] of Object.entries(inputs)) binding.input(name, tensor);
  for (const [name, tensor] of Object.entries(outputs)) binding.output(name, tensor);
  for (const name of onHost) binding.output(name, 'cpu');
  binding.run();
  if (onHost.length === 0) return {};
  const results = binding.results();
  const numbers: Record<string, Float32Array> = {};
  for (const [name, tensor] of Object.entries(results)) {
    numbers[name] = tensor.data as Float32Array;
    tensor[Symbol.dispose]();
  }
  return numbers;
}

/** Parts of tensors that are used in one call, and closed behind it. */
export class Parts implements Disposable {
  readonly #open: DeviceTensor[] = [];

  /** @see DeviceTensor.part */
  of(whole: DeviceTensor, first: number, dims: readonly number[]): DeviceTensor {
    return this.add(whole.part(first, dims));
  }

  add(part: DeviceTensor): DeviceTensor {
    this.#open.push(part);
    return part;
  }

  [Symbol.dispose](): void {
    for (const part of this.#open.splice(0)) part[Symbol.dispose]();
  }
}
