import { copyTensors } from '../../onnx/c-api/copy-tensors.ts';
import { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import type { Session } from '../../onnx/c-api/session.ts';

/** Elements between the beginnings of two rows are a multiple of it: a GPU loads 16 bytes at once. */
const ALIGNED = 4;

/** Short rows of float32 on a device, each of which a graph can read by itself. */
export class RowTensor implements Disposable {
  readonly #host: Float32Array;
  readonly #tensor: DeviceTensor;
  readonly #length: number;
  readonly #stride: number;

  constructor(memory: Session, rows: number, length: number) {
    this.#length = length;
    this.#stride = Math.ceil(length / ALIGNED) * ALIGNED;
    this.#host = new Float32Array(rows * this.#stride);
    this.#tensor = memory.allocate('float32', [this.#host.length]);
  }

  /** Sets all rows: `[rows, length]` in C order. */
  set(values: ArrayLike<number>): void {
    for (let i = 0; i < values.length; i++)
      this.#host[Math.floor(i / this.#length) * this.#stride + (i % this.#length)] = values[i]!;
    using host = DeviceTensor.over('float32', this.#host, [this.#host.length]);
    copyTensors([host], [this.#tensor]);
  }

  /** One row, `[length]`; the caller's to dispose of. */
  row(index: number): DeviceTensor {
    return this.#tensor.part(index * this.#stride, [this.#length]);
  }

  [Symbol.dispose](): void {
    this.#tensor[Symbol.dispose]();
  }
}
