import type { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import type { Session } from '../../onnx/c-api/session.ts';

/**
 * Float32 tensors that are there for a part of a step, by name: on a GPU their memory is another stage's meanwhile. On the
 * host they are kept: a garbage collector would free them late.
 */
export class PassingTensors implements Disposable {
  readonly #memory: Session;
  readonly #tensors = new Map<string, DeviceTensor>();

  constructor(memory: Session) {
    this.#memory = memory;
  }

  /** The tensor of that name, as long as it is not released. */
  get(name: string, dims: readonly number[]): DeviceTensor {
    const tensor = this.#tensors.get(name) ?? this.#memory.allocate('float32', dims);
    this.#tensors.set(name, tensor);
    return tensor;
  }

  /** By name, or all of them. */
  release(names: Iterable<string> = [...this.#tensors.keys()]): void {
    if (this.#memory.device === 'cpu') return;
    for (const name of names) {
      this.#tensors.get(name)?.[Symbol.dispose]();
      this.#tensors.delete(name);
    }
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#tensors.values()) tensor[Symbol.dispose]();
  }
}
