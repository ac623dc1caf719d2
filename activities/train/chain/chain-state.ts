import { elementCount } from '../../../core/checkpoint/dtypes.ts';
import type { DType } from '../../../core/config/manifests.ts';
import type { StatePart, StateTensor } from '../../../core/config/train.ts';
import { bfloat16Bits } from '../../../core/model/bfloat16.ts';
import type { TensorSpec } from '../../../core/model/tensor-spec.ts';
import { copyTensors } from '../../onnx/c-api/copy-tensors.ts';
import { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import type { Session } from '../../onnx/c-api/session.ts';

/** A tensor of a training's state, where the optimizer writes it. */
export interface ChainTensor {
  shape: number[];
  /** Float32. */
  value: DeviceTensor;
  /** The same in the type that the graphs compute in; null where that is float32. */
  rounded: DeviceTensor | null;
  /** AdamW's moments; null for what no optimizer changes. */
  moments: { first: DeviceTensor; second: DeviceTensor } | null;
}

/** What is to be known of each tensor. */
export interface StateOptions {
  specs: TensorSpec[];
  isTrained(name: string): boolean;
  /** Type in which the graphs read it. */
  dtypeOf(name: string): DType;
  /** Whether the state lies on the host: then `stage` brings to the device what a stage reads. */
  isOnHost: boolean;
}

/**
 * Parameters, moments and running statistics, from the first step to the last: on the device, where the graphs read them
 * as they lie, or on the host.
 */
export class ChainState implements Disposable {
  readonly #tensors = new Map<string, ChainTensor>();
  readonly #isOnHost: boolean;
  readonly #memory: Session;
  /** Tensors on the device, by kind of stage, that take turns in what they hold. */
  readonly #staged = new Map<string, DeviceTensor[]>();

  /**
   * @param memory a session on the device
   * @param place the session that the state is allocated with: of the device, or of the host. Both outlive the state
   */
  constructor(memory: Session, place: Session, { specs, isTrained, dtypeOf, isOnHost }: StateOptions) {
    this.#isOnHost = isOnHost;
    this.#memory = memory;
    for (const { name, shape } of specs) {
      const allocate = (dtype: DType = 'float32') => place.allocate(dtype, shape);
      const dtype = dtypeOf(name);
      this.#tensors.set(name, {
        shape,
        value: allocate(),
        rounded: dtype === 'float32' ? null : allocate(dtype),
        moments: isTrained(name) ? { first: allocate(), second: allocate() } : null,
      });
    }
  }

  get(name: string): ChainTensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new Error(`${name} is no tensor of this training`);
    return tensor;
  }

  /**
   * Tensors on the device as the graphs read them, in the order of the names. Valid until the next call for the kind.
   *
   * @param kind of stages whose tensors have the same types and shapes
   */
  stage(kind: string, names: string[]): DeviceTensor[] {
    const read = names.map((name) => {
      const { rounded, value } = this.get(name);
      return rounded ?? value;
    });
    if (!this.#isOnHost) return read;
    const staged =
      this.#staged.get(kind) ?? read.map(({ dtype, dims }) => this.#memory.allocate(dtype, dims));
    this.#staged.set(kind, staged);
    copyTensors(read, staged);
    return staged;
  }

  /** Sets a tensor; moments that are not given are zero. */
  put({ name, data, first, second }: StateTensor): void {
    const { shape, value, rounded, moments } = this.get(name);
    const set = (to: DeviceTensor, values: Float32Array) => {
      using from = DeviceTensor.over('float32', values, shape);
      copyTensors([from], [to]);
    };
    set(value, data);
    if (rounded) {
      using bits = DeviceTensor.over('bfloat16', bfloat16Bits(data), shape);
      copyTensors([bits], [rounded]);
    }
    if (!moments) return;
    set(moments.first, first ?? new Float32Array(data.length));
    set(moments.second, second ?? new Float32Array(data.length));
  }

  /** A copy of a tensor's value, or of one of its moments. */
  part(name: string, part: StatePart): Float32Array<ArrayBuffer> {
    const { shape, value, moments } = this.get(name);
    const from = part === 'value' ? value : moments?.[part];
    if (!from) throw new Error(`${name} has no moments: nothing trains it`);
    const data = new Float32Array(elementCount(shape));
    using to = DeviceTensor.over('float32', data, shape);
    copyTensors([from], [to]);
    return data;
  }

  [Symbol.dispose](): void {
    for (const { value, rounded, moments } of this.#tensors.values())
      for (const tensor of [value, rounded, moments?.first, moments?.second]) tensor?.[Symbol.dispose]();
    for (const staged of this.#staged.values()) for (const tensor of staged) tensor[Symbol.dispose]();
  }
}
