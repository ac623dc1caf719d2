import { elementCount } from '../../../core/checkpoint/dtypes.ts';
import type { DType } from '../../../core/config/manifests.ts';
import type { StatePart, StateTensor } from '../../../core/config/train.ts';
import { bfloat16Bits } from '../../../core/model/bfloat16.ts';
import type { TensorSpec } from '../../../core/model/tensor-spec.ts';
import { copyTensors } from '../../onnx/c-api/copy-tensors.ts';
import { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import type { Session } from '../../onnx/c-api/session.ts';

/** A tensor of a training's state, where the graphs read it and the optimizer writes it. */
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
}

/** Parameters, moments and running statistics, which stay on the device from the first step to the last. */
export class ChainState implements Disposable {
  readonly #tensors = new Map<string, ChainTensor>();

  /** @param memory a session that outlives the state: the tensors are allocated on its device */
  constructor(memory: Session, { specs, isTrained, dtypeOf }: StateOptions) {
    for (const { name, shape } of specs) {
      const allocate = (dtype: DType = 'float32') => memory.allocate(dtype, shape);
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

  /** The tensor that the graphs read. */
  read(name: string): DeviceTensor {
    const { rounded, value } = this.get(name);
    return rounded ?? value;
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
  }
}
