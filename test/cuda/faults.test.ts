import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Inference } from '../../activities/evaluate/inference.ts';
import { prepareModel } from '../../activities/evaluate/prepare-model.ts';
import { openSession, runSession, tensor } from '../../activities/onnx/session.ts';
import type { FailureClass } from '../../core/config/failures.ts';
import { GraphBuilder } from '../../core/onnx/graph.ts';
import { writeCheckpoints } from '../../infra/cuda-check/at-work.ts';
import { tinyConfig } from '../builders.ts';
import { temporaryFolder } from '../infra/observe.ts';

const SIDE = 64;
const SHAPE = [1, SIDE, SIDE, SIDE];

afterEach(() => {
  delete process.env.FAKE_CUDA_FAULT;
});

/** A convolution and a product: cuDNN and cuBLAS. */
function open() {
  const graph = new GraphBuilder('both');
  const x = graph.input('x', 'float32', SHAPE);
  const kernel = graph.constant('kernel', 'float32', [SIDE, SIDE, 3, 3], new Float32Array(SIDE * SIDE * 9));
  const convolved = graph.node('Conv', [x, kernel], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
  const matrix = graph.constant('matrix', 'float32', [SIDE, SIDE], new Float32Array(SIDE * SIDE));
  graph.output(graph.node('MatMul', [convolved, matrix], {}, 'y'), 'float32', SHAPE);
  return openSession(graph.toBytes(), { device: 'cuda', threads: 1 });
}

const feeds = () => ({ x: tensor(new Float32Array(SIDE ** 3), SHAPE) });

test.for<[string, FailureClass, RegExp]>([
  ['lost', 'WorkerLost', /^the GPU failed: CUDA failure 719: unspecified launch failure\. /],
  ['cublas', 'WorkerLost', /^the GPU failed: CUBLAS failure 13: /],
  ['cudnn', 'WorkerLost', /^the GPU failed: CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED\. /],
  ['cublas-memory', 'OutOfMemory', /^ONNX Runtime ran out of memory on cuda: CUBLAS failure 3: /],
])('in mid-run, %s is %s', async ([fault, failureClass, message]) => {
  const session = await open();
  await runSession(session, feeds(), 'cuda');
  process.env.FAKE_CUDA_FAULT = fault;
  const failure = await runSession(session, feeds(), 'cuda').catch((error) => error);
  expect(failure).toMatchObject({ failureClass, message: expect.stringMatching(message) });
  await session.release();
});

test('a device that has no room for what the first run takes is OutOfMemory', async () => {
  const session = await open();
  process.env.FAKE_CUDA_FAULT = 'memory';
  await expect(runSession(session, feeds(), 'cuda')).rejects.toMatchObject({ failureClass: 'OutOfMemory' });
  await session.release();
});

test.for<[string, FailureClass, RegExp]>([
  [
    'no-device',
    'BadInput',
    /CUDA is not available here: CUDA failure 100: no CUDA-capable device is detected\. /,
  ],
  [
    'no-driver',
    'BadInput',
    /CUDA is not available here: CUDA failure 35: CUDA driver version is insufficient/,
  ],
  ['memory', 'OutOfMemory', /Failed to allocate memory/],
])('at the opening, %s is %s', async ([fault, failureClass, message]) => {
  process.env.FAKE_CUDA_FAULT = fault;
  const failure = await open().catch((error) => error);
  expect(failure).toMatchObject({ failureClass, message: expect.stringMatching(message) });
});

test("a GPU that is lost while images are stitched costs the worker, whichever thread's run it was", async () => {
  const config = tinyConfig('run.device=cuda', 'run.batch=1');
  const folder = temporaryFolder();
  const files = await writeCheckpoints(path.join(folder, 'weights'), config.model);
  const { modelFile } = await prepareModel(folder, files, config);
  const inference = await Inference.open({ modelFile, config });
  const side = config.model.backbone.imageSizePx;
  const size = { width: side, height: side };
  const segment = (id: number) =>
    inference.segment(
      `${id}`,
      [{ image: { ...size, data: new Uint8Array(side ** 2 * 3) }, isFlipped: false }],
      size,
    );
  await segment(0);
  const waiting = Array.from({ length: 40 }, (_, i) => segment(i + 1).catch((error) => error));
  process.env.FAKE_CUDA_FAULT = 'lost';
  const last = (await Promise.all(waiting)).at(-1);
  expect(last).toMatchObject({
    failureClass: 'WorkerLost',
    message: expect.stringMatching(/^the GPU failed/),
  });
});
