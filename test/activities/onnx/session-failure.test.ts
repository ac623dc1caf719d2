import { describe, expect, test } from 'vitest';
import { sessionFailure } from '../../../activities/onnx/session-failure.ts';
import { type FailureClass, TypedFailure } from '../../../core/config/failures.ts';

/** As ONNX Runtime 1.30 words them, seen with `npm run check:cuda`'s fake CUDA. */
const call = (failure: string) =>
  `${failure} ; GPU=0 ; hostname=node ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/x.cc ; line=91 ; expr=f(x); `;
const inNode = (failure: string) =>
  `Non-zero status code returned while running MatMul node. Name:'y' Status Message: ${call(failure)}`;
const thrown = (failure: string) =>
  '/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:154 std::conditional_t<THRW, void, onnxruntime::common::Status> ' +
  `onnxruntime::CudaCall(ERRTYPE, const char*) [with ERRTYPE = cudaError; bool THRW = true] ${call(failure)}`;
const arena =
  'Exception during initialization: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* ' +
  'onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 16384';

function classOf(message: string, moment: 'opening' | 'run', device: 'cpu' | 'cuda' = 'cuda') {
  const failure = sessionFailure(new Error(message), device, moment);
  return failure instanceof TypedFailure ? failure.failureClass : null;
}

describe('a failure of ONNX Runtime on CUDA', () => {
  test.for<[string, FailureClass]>([
    [call('CUDA failure 719: unspecified launch failure'), 'WorkerLost'],
    [call('CUDA failure 700: an illegal memory access was encountered'), 'WorkerLost'],
    [inNode('CUBLAS failure 13: the function failed to launch on the GPU'), 'WorkerLost'],
    [inNode('CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED'), 'WorkerLost'],
    [inNode('CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED'), 'WorkerLost'],
    [call('CUDA failure 100: no CUDA-capable device is detected'), 'WorkerLost'],
    [inNode('CUBLAS failure 3: the resource allocation failed'), 'OutOfMemory'],
    [call('CUDA failure 2: out of memory'), 'OutOfMemory'],
    [inNode('CUDNN failure 4004: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED'), 'OutOfMemory'],
    [inNode('CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED'), 'OutOfMemory'],
    [arena, 'OutOfMemory'],
    ['std::bad_alloc', 'OutOfMemory'],
    [call('CUDA failure 209: no kernel image is available for execution on the device'), 'BadInput'],
    [inNode('CUDA error cudaErrorNoKernelImageForDevice:no kernel image is available'), 'BadInput'],
    [inNode('CUDA error cudaErrorLaunchFailure:unspecified launch failure'), 'WorkerLost'],
    [inNode('CUDA error cudaErrorMemoryAllocation:out of memory'), 'OutOfMemory'],
  ])('in mid-run: %s', ([message, expected]) => {
    expect(classOf(message, 'run')).toBe(expected);
  });

  test.for<[string, FailureClass]>([
    [thrown('CUDA failure 100: no CUDA-capable device is detected'), 'BadInput'],
    [thrown('CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version'), 'BadInput'],
    [
      'Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open',
      'BadInput',
    ],
    ['no available backend found. ERR: [cuda] backend not found.', 'BadInput'],
    [thrown('CUDA failure 719: unspecified launch failure'), 'WorkerLost'],
    [thrown('CUDA failure 46: CUDA-capable device(s) is/are busy or unavailable'), 'WorkerLost'],
    [arena, 'OutOfMemory'],
  ])('at the opening: %s', ([message, expected]) => {
    expect(classOf(message, 'opening')).toBe(expected);
  });

  test('is told by the error’s name where there is no number', () => {
    const message = inNode('CUDA error cudaErrorLaunchFailure:unspecified launch failure');
    expect(sessionFailure(new Error(message), 'cuda', 'run')).toMatchObject({
      message: expect.stringMatching(
        /^the GPU failed: CUDA failure cudaErrorLaunchFailure: unspecified launch failure/,
      ),
    });
  });

  test('is told by the library’s own words, without the source lines around them', () => {
    const failure = sessionFailure(
      new Error(thrown('CUDA failure 100: no CUDA-capable device is detected')),
      'cuda',
      'opening',
    );
    expect((failure as Error).message).toBe(
      'run.device is cuda, but CUDA is not available here: CUDA failure 100: no CUDA-capable device is detected. ' +
        'Run on a machine with an NVIDIA GPU and the GPU image, or set run.device=cpu run.precision=float32',
    );
  });
});

test('what is about neither memory nor a GPU stays as it is', () => {
  const error = new Error('Invalid rank for input: crops Got: 3 Expected: 4');
  expect(sessionFailure(error, 'cuda', 'run')).toBe(error);
  // A word alone makes no fault of a GPU, and no user's mistake, of it.
  const about = new Error(
    'Non-zero status code returned while running Reshape node: the cuda tensor has another size',
  );
  expect(sessionFailure(about, 'cuda', 'run')).toBe(about);
  const fallback = new Error(
    'This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled by the user.',
  );
  expect(sessionFailure(fallback, 'cuda', 'opening')).toBe(fallback);
});
