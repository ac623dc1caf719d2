import { elementCount } from '../../../core/checkpoint/dtypes.ts';
import type { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import type { Session } from '../../onnx/c-api/session.ts';
import type { ChainTensor } from './chain-state.ts';
import { Parts, runStage, type Tensors } from './run-stage.ts';

/** Elements that a CPU updates at once: they stay in its cache from the first operator to the last. */
const PIECE = 131_072;

/**
 * One AdamW step of one tensor, in place.
 *
 * @param session of `adamwGraph`, with a copy where the tensor has one
 * @param factors `[3]` float32
 */
export function updateTensor(
  session: Session,
  { shape, value, rounded, moments }: ChainTensor,
  gradient: DeviceTensor,
  factors: DeviceTensor,
): void {
  const { first, second } = moments!;
  const count = elementCount(shape);
  const size = session.device === 'cpu' ? PIECE : count;
  for (let start = 0; start < count; start += size) {
    using parts = new Parts();
    const dims = [Math.min(size, count - start)];
    const piece = (whole: DeviceTensor) => parts.of(whole, start, dims);
    const state = { parameter: piece(value), first: piece(first), second: piece(second) };
    const outputs: Tensors = {
      'next parameter': state.parameter,
      'next first': state.first,
      'next second': state.second,
    };
    if (rounded) outputs['next copy'] = piece(rounded);
    runStage(session, { ...state, gradient: piece(gradient), factors }, outputs);
  }
}
