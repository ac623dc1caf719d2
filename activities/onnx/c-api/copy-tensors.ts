import { sessionFailure } from '../session-failure.ts';
import { type DeviceTensor, tensorText } from './device-tensor.ts';
import { environment } from './environment.ts';
import { call } from './ort-api.ts';

const CUDA_PROVIDER = 'libonnxruntime_providers_cuda.so';
let knowsCuda = false;

/**
 * Copies tensors, one by one from `from` to `to`: between host and device, within the device, or within the host. It
 * returns once the copies are made.
 *
 * @throws TypeError if the lists or two tensors don't go together; WorkerLost if the GPU has failed
 */
export function copyTensors(from: readonly DeviceTensor[], to: readonly DeviceTensor[]): void {
  if (from.length !== to.length)
    throw new TypeError(`${from.length} tensors are to be copied into ${to.length}; expected as many`);
  const pairs = from.map((source, i) => checkedPair(source, to[i]!));
  // ONNX Runtime takes those of one direction at a time.
  for (const source of ['cpu', 'cuda'] as const)
    for (const target of ['cpu', 'cuda'] as const) {
      const some = pairs.filter(([a, b]) => a.device === source && b.device === target);
      if (some.length === 0) continue;
      if (source === 'cpu' && target === 'cpu') for (const [a, b] of some) copyOnHost(a, b);
      else copyByCuda(some);
    }
}

type Pair = [from: DeviceTensor, to: DeviceTensor];

function checkedPair(from: DeviceTensor, to: DeviceTensor): Pair {
  if (from.dtype !== to.dtype || from.sizeBytes !== to.sizeBytes)
    throw new TypeError(
      `a tensor ${tensorText(from)} is to be copied into one of ${tensorText(to)}; expected the same type and size`,
    );
  from.checkUsable();
  to.checkUsable();
  return [from, to];
}

function copyOnHost(from: DeviceTensor, to: DeviceTensor): void {
  bytesOf(to).set(bytesOf(from));
}

function bytesOf({ data }: DeviceTensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function copyByCuda(pairs: Pair[]): void {
  const { pointer } = environment();
  const lists = [0, 1].map((side) => BigUint64Array.from(pairs, (pair) => pair[side]!.pointer));
  try {
    if (!knowsCuda) registerCuda();
    call('CopyTensors', pointer, lists[0]!, lists[1]!, null, pairs.length);
  } catch (error) {
    throw sessionFailure(error, 'cuda', 'run');
  }
}

/** The environment, which all threads share, then knows how CUDA copies. */
function registerCuda(): void {
  try {
    call('RegisterExecutionProviderLibrary', environment().pointer, 'tessera', CUDA_PROVIDER);
  } catch (error) {
    if (!/already/.test(String(error))) throw error;
  }
  knowsCuda = true;
}
