import { availableParallelism } from 'node:os';
import { elementCount } from '../../../core/checkpoint/dtypes.ts';
import type { ChainConfig, ChainPlan } from '../../../core/model/chain/chain-plan.ts';
import { adamwGraph } from '../../../core/onnx/adamw.ts';
import { copyTensors } from '../../onnx/c-api/copy-tensors.ts';
import { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import { type DeviceSessionOptions, Session } from '../../onnx/c-api/session.ts';
import type { ChainTensor } from './chain-state.ts';
import { Parts, runStage, type Tensors } from './run-stage.ts';

/** Elements that a thread of a CPU updates at once: they stay in its cache from the first operator to the last. */
const PIECE = 65_536;

/** AdamW's sessions. */
export interface Optimizers extends Disposable {
  plain: Session;
  /** For tensors that are read in another type: it writes that, too. */
  rounding: Session;
  /** As `updateTensor`, by the session that goes with a tensor. */
  update(tensor: ChainTensor, gradient: DeviceTensor, factors: DeviceTensor): void;
}

export async function openOptimizers(
  { train }: Pick<ChainConfig, 'train'>,
  { dtype }: Pick<ChainPlan, 'dtype'>,
  options: DeviceSessionOptions,
): Promise<Optimizers> {
  const plain = await Session.open(adamwGraph(train.optimizer), options);
  const isRounded = dtype !== 'float32';
  try {
    const rounding = isRounded ? await Session.open(adamwGraph(train.optimizer, dtype), options) : plain;
    const piece = pieceOf(options);
    return {
      plain,
      rounding,
      update(tensor, gradient, factors) {
        const session = tensor.rounded ? rounding : plain;
        updateTensor({ session, piece }, tensor, gradient, factors);
      },
      [Symbol.dispose]() {
        if (isRounded) rounding[Symbol.dispose]();
        plain[Symbol.dispose]();
      },
    };
  } catch (error) {
    plain[Symbol.dispose]();
    throw error;
  }
}

/** A device updates whole tensors. Pieces too small for a CPU's threads took twice the time on 16 of them. */
export function pieceOf({ device, threads }: Pick<DeviceSessionOptions, 'device' | 'threads'>): number {
  return device === 'cpu' ? PIECE * (threads || availableParallelism()) : Number.POSITIVE_INFINITY;
}

/** Gradients brought to the host one at a time, for an optimizer there. */
export class HostGradients implements Disposable {
  #array = new Float32Array(0);
  #tensor: DeviceTensor | null = null;

  /** A copy of a gradient, valid until the next. */
  copyOf(gradient: DeviceTensor): DeviceTensor {
    this[Symbol.dispose]();
    const count = elementCount(gradient.dims);
    if (this.#array.length < count) this.#array = new Float32Array(count);
    this.#tensor = DeviceTensor.over('float32', this.#array.subarray(0, count), gradient.dims);
    copyTensors([gradient], [this.#tensor]);
    return this.#tensor;
  }

  [Symbol.dispose](): void {
    this.#tensor?.[Symbol.dispose]();
    this.#tensor = null;
  }
}

/**
 * One AdamW step of one tensor, in place.
 *
 * @param session of `adamwGraph`, with a copy where the tensor has one
 * @param piece elements at once: no number depends on it
 * @param factors `[3]` float32
 */
export function updateTensor(
  { session, piece }: { session: Session; piece: number },
  { shape, value, rounded, moments }: ChainTensor,
  gradient: DeviceTensor,
  factors: DeviceTensor,
): void {
  const { first, second } = moments!;
  const count = elementCount(shape);
  for (let start = 0; start < count; start += piece) {
    using parts = new Parts();
    const dims = [Math.min(piece, count - start)];
    const part = (whole: DeviceTensor) => parts.of(whole, start, dims);
    const state = { parameter: part(value), first: part(first), second: part(second) };
    const outputs: Tensors = {
      'next parameter': state.parameter,
      'next first': state.first,
      'next second': state.second,
    };
    if (rounded) outputs['next copy'] = part(rounded);
    runStage(session, { ...state, gradient: part(gradient), factors }, outputs);
  }
}
