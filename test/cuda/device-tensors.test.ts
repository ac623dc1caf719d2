import { afterEach, expect, test } from 'vitest';
import { copyTensors } from '../../activities/onnx/c-api/copy-tensors.ts';
import { DeviceTensor } from '../../activities/onnx/c-api/device-tensor.ts';
import { type DeviceSessionOptions, Session } from '../../activities/onnx/c-api/session.ts';
import { SHARES_ARENA, SharedArena } from '../../activities/onnx/c-api/shared-arena.ts';
import type { FailureClass } from '../../core/config/failures.ts';
import { GraphBuilder } from '../../core/onnx/graph.ts';
import { copies, deviceMemory, readCalls, readTrace, traceEnd } from '../../infra/cuda-check/trace.ts';

const SIDE = 64;
const SHAPE = [SIDE, SIDE];
const BYTES = SIDE * SIDE * 4;

afterEach(() => {
  delete process.env.FAKE_CUDA_FAULT;
});

/** A convolution and a product: cuDNN and cuBLAS; y is as large as x. */
function openBoth(options: Partial<DeviceSessionOptions> = {}): Promise<Session> {
  const graph = new GraphBuilder('both');
  const x = graph.input('x', 'float32', SHAPE);
  const image = graph.reshape(x, [1, SIDE, 8, 8]);
  const kernel = graph.constant('kernel', 'float32', [SIDE, SIDE, 3, 3], new Float32Array(SIDE * SIDE * 9));
  const convolved = graph.node('Conv', [image, kernel], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
  const matrix = graph.constant('matrix', 'float32', SHAPE, new Float32Array(SIDE * SIDE));
  const product = graph.node('MatMul', [graph.reshape(convolved, SHAPE), matrix]);
  graph.output(graph.node('Relu', [product], {}, 'y'), 'float32', SHAPE);
  return Session.open(graph.toBytes(), { device: 'cuda', threads: 1, ...options });
}

/** Copies that some work made, in bytes. */
function copiesOf(work: () => void) {
  const from = traceEnd();
  work();
  const calls = readCalls(from);
  return {
    up: copies({ calls }, 'pageable', 'device'),
    down: copies({ calls }, 'device', 'pageable'),
    within: copies({ calls }, 'device', 'device'),
    pinned: [...copies({ calls }, 'device', 'pinned'), ...copies({ calls }, 'pinned', 'device')],
  };
}
const NONE = { up: [], down: [], within: [], pinned: [] };

test('a run whose inputs and outputs are on the device copies nothing, and takes no more memory each time', async () => {
  using session = await openBoth();
  using x = session.allocate('float32', SHAPE);
  using y = session.allocate('float32', SHAPE);
  using binding = session.bind().input('x', x).output('y', y);
  binding.run();
  const memory = deviceMemory();
  const before = traceEnd();
  expect(copiesOf(() => binding.run())).toEqual(NONE);
  // In place, as an optimizer's.
  binding.output('y', x);
  expect(copiesOf(() => binding.run())).toEqual(NONE);
  expect(memory.peak()).toBe(0);
  expect(readCalls(before).filter(([kind]) => kind === 'B')).toHaveLength(2);
});

test('tensors are copied once each way, all of a list, and parts alone', async () => {
  using session = await openBoth();
  using device = session.allocate('float32', SHAPE);
  using half = device.part((SIDE / 2) * SIDE, [SIDE / 2, SIDE]);
  using other = session.allocate('float32', [SIDE / 2, SIDE]);
  using host = DeviceTensor.over('float32', new Float32Array(SIDE * SIDE).fill(1), SHAPE);
  using row = DeviceTensor.over('float32', new Float32Array((SIDE * SIDE) / 2).fill(2), [SIDE / 2, SIDE]);
  expect(copiesOf(() => copyTensors([host, row], [device, half]))).toEqual({
    ...NONE,
    up: [BYTES, BYTES / 2],
  });
  expect(copiesOf(() => copyTensors([half], [other]))).toEqual({ ...NONE, within: [BYTES / 2] });
  expect(copiesOf(() => copyTensors([device, other], [host, row]))).toEqual({
    ...NONE,
    down: [BYTES, BYTES / 2],
  });
  expect([host.data[0], host.data.at(-1), row.data[0]]).toEqual([1, 2, 2]);
});

test('what is copied to the device is there before the copy returns', async () => {
  using session = await openBoth();
  using device = session.allocate('float32', SHAPE);
  using host = DeviceTensor.onHost('float32', SHAPE);
  const from = traceEnd();
  copyTensors([host], [device]);
  // From pageable memory cudaMemcpy returns when the bytes are on their way: a stream of another kind would not wait.
  expect(readCalls(from).map(([kind]) => kind)).toEqual(['C', 'S']);
});

test('a tensor on the host is copied when it is bound, and not in the runs', async () => {
  using session = await openBoth();
  using host = DeviceTensor.onHost('float32', SHAPE);
  using binding = session.bind().output('y', 'cuda');
  expect(copiesOf(() => binding.input('x', host))).toEqual({ ...NONE, up: [BYTES] });
  binding.run();
  expect(copiesOf(() => binding.run())).toEqual(NONE);
});

test('an output on the host, given or new, is copied once', async () => {
  using session = await openBoth();
  using x = session.allocate('float32', SHAPE);
  using host = DeviceTensor.onHost('float32', SHAPE);
  using binding = session.bind().input('x', x).output('y', host);
  binding.run();
  expect(copiesOf(() => binding.run())).toEqual({ ...NONE, down: [BYTES] });
  binding.output('y', 'cpu');
  expect(copiesOf(() => binding.run())).toEqual({ ...NONE, down: [BYTES] });
  using made = binding.results().y!;
  expect(made.data).toHaveLength(SIDE * SIDE);
});

test('outputs that stay on the device are tensors of their own in each run, and can be inputs', async () => {
  using session = await openBoth();
  using x = session.allocate('float32', SHAPE);
  using host = DeviceTensor.onHost('float32', SHAPE);
  using second = session.bind();
  using first = session.bind().input('x', x).output('y', 'cuda');
  first.run();
  using y = first.results().y!;
  copyTensors([DeviceTensor.over('float32', new Float32Array(SIDE * SIDE).fill(7), SHAPE)], [y]);
  first.run();
  using later = first.results().y!;
  copyTensors([DeviceTensor.over('float32', new Float32Array(SIDE * SIDE).fill(8), SHAPE)], [later]);
  copyTensors([y], [host]);
  expect(host.data[0]).toBe(7);
  expect(() => y.data).toThrow('a tensor float32 [64, 64] is on cuda: copy it to the host first');
  second.input('x', y).output('y', 'cuda');
  expect(copiesOf(() => second.run())).toEqual(NONE);
  second.input('x', x);
});

test('all of the device’s memory is given back', async () => {
  const memory = deviceMemory();
  {
    using session = await openBoth();
    using x = session.allocate('float32', [4096, 4096]);
    using host = DeviceTensor.onHost('float32', SHAPE);
    using part = x.part(0, SHAPE);
    using binding = session.bind().input('x', part).output('y', 'cuda');
    binding.run();
    using y = binding.results().y!;
    copyTensors([y], [host]);
    expect(memory.now()).toBeGreaterThan(4096 * 4096 * 4);
  }
  expect(memory.peak()).toBeGreaterThan(0);
  expect(memory.now()).toBe(0);
});

test('a part that CUDA’s kernels could not read at once is refused', async () => {
  using session = await openBoth();
  using x = session.allocate('uint8', [4, 9]);
  expect(() => x.part(9, [1, 9])).toThrow(
    'a part of a tensor uint8 [4, 9] begins at byte 9; on CUDA expected a multiple of 16',
  );
});

test.for<[string, FailureClass, RegExp]>([
  [
    'lost',
    'WorkerLost',
    /^the GPU failed: CUDA failure cudaErrorLaunchFailure: unspecified launch failure\. /,
  ],
  ['cublas', 'WorkerLost', /^the GPU failed: CUBLAS failure 13: /],
  ['cudnn', 'WorkerLost', /^the GPU failed: CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED\. /],
  ['cublas-memory', 'OutOfMemory', /^ONNX Runtime ran out of memory on cuda: CUBLAS failure 3: /],
])('in mid-run, %s is %s, and all is disposed of', async ([fault, failureClass, message]) => {
  using session = await openBoth();
  using x = session.allocate('float32', SHAPE);
  using binding = session.bind().input('x', x).output('y', 'cuda');
  binding.run();
  process.env.FAKE_CUDA_FAULT = fault;
  const failure = thrownBy(() => binding.run());
  expect(failure).toMatchObject({ failureClass, message: expect.stringMatching(message) });
});

test('a device that is lost while tensors are copied costs the worker', async () => {
  using session = await openBoth();
  using device = session.allocate('float32', SHAPE);
  using host = DeviceTensor.onHost('float32', SHAPE);
  process.env.FAKE_CUDA_FAULT = 'lost';
  for (const copy of [() => copyTensors([host], [device]), () => copyTensors([device], [host])])
    expect(thrownBy(copy)).toMatchObject({
      failureClass: 'WorkerLost',
      message: expect.stringMatching(/^the GPU failed: CUDA failure 719/),
    });
});

test.for<[string, FailureClass, RegExp]>([
  ['no-device', 'BadInput', /CUDA is not available here: CUDA failure 100: /],
  ['no-driver', 'BadInput', /CUDA is not available here: CUDA failure 35: /],
  ['memory', 'OutOfMemory', /Failed to allocate memory/],
])('at the opening, %s is %s', async ([fault, failureClass, message]) => {
  process.env.FAKE_CUDA_FAULT = fault;
  await expect(openBoth()).rejects.toMatchObject({
    failureClass,
    message: expect.stringMatching(message),
  });
});

test('more than gpu_mem_limit is OutOfMemory', async () => {
  using session = await openBoth({ cuda: { gpu_mem_limit: String(8 << 20) } });
  expect(thrownBy(() => session.allocate('float32', [4096, 4096]))).toMatchObject({
    failureClass: 'OutOfMemory',
  });
  using x = session.allocate('float32', SHAPE);
  using binding = session.bind().input('x', x).output('y', 'cuda');
  binding.run();
});

test('sessions that share an arena take memory in turn, and the device has it back behind the last of them', async () => {
  const own = deviceMemory();
  {
    using one = await openBoth();
    using other = await openBoth();
    for (const session of [one, other]) session.allocate('float32', [1e6])[Symbol.dispose]();
  }
  const apart = own.peak();
  // Of a thread that has ended in mid-training.
  new SharedArena();
  for (let training = 0; training < 2; training++) {
    const memory = deviceMemory();
    {
      using _arena = new SharedArena();
      using one = await openBoth({ entries: SHARES_ARENA });
      using other = await openBoth({ entries: SHARES_ARENA });
      for (const session of [one, other]) session.allocate('float32', [1e6])[Symbol.dispose]();
    }
    expect(apart - memory.peak()).toBeGreaterThanOrEqual(4e6);
    expect(memory.now()).toBe(0);
  }
});

test.for([
  ['0', '0'],
  ['1', '3'],
])('use_tf32=%s gives products the math mode %s', async ([flag, mode]) => {
  using session = await openBoth({ cuda: { use_tf32: flag! } });
  using x = session.allocate('float32', SHAPE);
  using binding = session.bind().input('x', x).output('y', 'cuda');
  const from = traceEnd();
  binding.run();
  const modes = readCalls(from)
    .filter(([kind]) => kind === 'B')
    .map((words) => words.at(-1));
  expect(modes).toEqual([mode]);
});

test('an option that the CUDA provider does not have is an error that names it', async () => {
  await expect(openBoth({ cuda: { no_such_option: '1' } })).rejects.toThrow(/no_such_option/);
});

test('a node that has no CUDA kernel is refused, as by the other binding', async () => {
  const graph = new GraphBuilder('pool');
  const x = graph.input('x', 'float32', [1, 2, 4, 4]);
  graph.output(
    graph.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] }, 'y'),
    'float32',
    [1, 2, 2, 2],
  );
  const options = { device: 'cuda', threads: 1 } as const;
  await expect(Session.open(graph.toBytes(), options)).rejects.toThrow(/fallback to CPU EP/);
  using session = await Session.open(graph.toBytes(), { ...options, allowCpuNodes: true });
  expect([...session.outputs.keys()]).toEqual(['y']);
});

test('sessions and runs are in the trace of the check', async () => {
  const from = traceEnd();
  {
    using session = await openBoth();
    using x = session.allocate('float32', SHAPE);
    using binding = session.bind().input('x', x).output('y', 'cpu');
    for (let run = 0; run < 2; run++) binding.run();
  }
  const [traced] = readTrace(from);
  expect(traced).toMatchObject({ caller: 'test/cuda/device-tensors.test.ts', failure: null });
  expect(traced!.runs).toMatchObject([
    { inputs: {}, outputs: { y: BYTES } },
    { inputs: {}, outputs: { y: BYTES } },
  ]);
  expect(copies(traced!.runs[1]!, 'device', 'pageable')).toEqual([BYTES]);
});

function thrownBy(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
