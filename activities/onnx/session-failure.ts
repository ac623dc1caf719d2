import type { Device } from '../../core/config/config.ts';
import { BadInput, OutOfMemory, WorkerLost } from '../../core/config/failures.ts';

/** `CUDA failure 719: unspecified launch failure ; GPU=0 ; hostname=…`, somewhere in a message. */
const LIBRARY_FAILURE = /\b(CUDA|CUBLAS|CUDNN|CUDNN_FE|CURAND) (?:failure|error):? (\d+):? ?([^;\n]*)/i;
/** `CUDA error cudaErrorLaunchFailure:unspecified launch failure`, of a kernel that could not be launched. */
const NAMED_FAILURE = /\bCUDA error (cudaError\w+): ?([^;\n]*)/;
/** By library: CUDA's cudaErrorMemoryAllocation, CUBLAS_STATUS_ALLOC_FAILED, cuDNN's before and since version 9. */
const ALLOCATION: Record<string, number[]> = { CUDA: [2], CUBLAS: [3], CUDNN: [2, 4003, 4004] };
/**
 * CUDA's errors by which no worker like this one ever computes: a stub for a driver, one that is too old, no device, none
 * of that number, a driver of another version than its library, or one without forward compatibility.
 */
const NO_DEVICE = [34, 35, 100, 101, 803, 804];
/** No kernel for this GPU's compute capability: as machine code, and as PTX that its driver could compile. */
const NO_KERNEL = [209, 222];
const NO_KERNEL_NAME = /\bcudaError(?:NoKernelImageForDevice|UnsupportedPtxVersion)\b/;

const WITHOUT_CUDA = /cuda|cudnn|cublas|backend not found|no available backend|providers? (?:is )?not|libcu/i;

/**
 * What a failure of ONNX Runtime means. Its causes differ only in their words: an allocation that failed is the batch's,
 * a fault of the GPU is the worker's, and that there is no GPU at all is the request's.
 *
 * @param moment a session's opening, or one of its runs
 * @returns the failure to throw; the error itself, if it is about nothing of these
 */
export function sessionFailure(error: unknown, device: Device, moment: 'opening' | 'run'): unknown {
  const message = error instanceof Error ? error.message : String(error);
  const options = { cause: error };
  const [text, name = '', digits, words = ''] = LIBRARY_FAILURE.exec(message) ?? [];
  const library = name.toUpperCase();
  const number = Number(digits);
  const reason = text === undefined ? namedFailure(message) : `${library} failure ${number}: ${words.trim()}`;
  if (isAllocation(message) || ALLOCATION[library]?.includes(number))
    return new OutOfMemory(`ONNX Runtime ran out of memory on ${device}: ${reason}`, options);
  if ((library === 'CUDA' && NO_KERNEL.includes(number)) || NO_KERNEL_NAME.test(message))
    return new BadInput(
      `ONNX Runtime has no kernels for this GPU: ${reason}. Run on one of compute capability 7.5, 8.x, 9.0 or 12.x ` +
        '(docs/operations.md, GPUs)',
      options,
    );
  const isAbsent = text === undefined ? WITHOUT_CUDA.test(message) : NO_DEVICE.includes(number);
  if (device === 'cuda' && moment === 'opening' && isAbsent)
    return new BadInput(
      `run.device is cuda, but CUDA is not available here: ${reason}. ` +
        'Run on a machine with an NVIDIA GPU and the GPU image, or set run.device=cpu run.precision=float32',
      options,
    );
  if (text !== undefined || /\bcudaError\w+|\bCU(?:BLAS|DNN)_STATUS_\w+/.test(message))
    return new WorkerLost(
      `the GPU failed: ${reason}. What its process computes from then on can't be trusted: the worker ends, and ` +
        'another takes its place',
      options,
    );
  return error;
}

function isAllocation(message: string): boolean {
  return /out of memory|bad_alloc|failed to allocate|BFCArena|ALLOC(?:ATION)?_FAILED/i.test(message);
}

function namedFailure(message: string): string {
  const [, name, words] = NAMED_FAILURE.exec(message) ?? [];
  return name ? `CUDA failure ${name}: ${words!.trim()}` : message.split('\n', 1)[0]!;
}
