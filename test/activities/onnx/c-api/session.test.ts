import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { DeviceTensor } from '../../../../activities/onnx/c-api/device-tensor.ts';
import { Session } from '../../../../activities/onnx/c-api/session.ts';
import type { DType } from '../../../../core/config/manifests.ts';
import { GraphBuilder } from '../../../../core/onnx/graph.ts';
import { temporaryFolder } from '../../../infra/observe.ts';

const CPU = { device: 'cpu', threads: 1 } as const;

/** y = x · x */
function squared(dtype: DType = 'float32', dims: (number | string)[] = [2, 3]): GraphBuilder {
  const graph = new GraphBuilder('squared');
  const x = graph.input('x', dtype, dims);
  graph.output(graph.node('Mul', [x, x], {}, 'y'), dtype, dims);
  return graph;
}

function floats(...values: number[]): DeviceTensor<'float32'> {
  return DeviceTensor.over('float32', Float32Array.from(values), [values.length]);
}

test('a session declares inputs and outputs of the model', async () => {
  using session = await Session.open(squared('int64', ['n', 3]).toBytes(), CPU);
  expect([...session.inputs]).toEqual([['x', { dtype: 'int64', dims: [-1, 3] }]]);
  expect([...session.outputs]).toEqual([['y', { dtype: 'int64', dims: [-1, 3] }]]);
});

test('a run reads the arrays that are bound and writes into those, again and again', async () => {
  using session = await Session.open(squared().toBytes(), CPU);
  using x = DeviceTensor.over('float32', Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
  using y = session.allocate('float32', [2, 3]);
  using binding = session.bind().input('x', x).output('y', y);
  binding.run();
  expect(y.data).toEqual(Float32Array.of(1, 4, 9, 16, 25, 36));
  x.data.fill(3);
  binding.run();
  expect(y.data).toEqual(new Float32Array(6).fill(9));
});

test.for<[DType, ArrayLike<number> | bigint[]]>([
  ['float64', [1.5, 2]],
  ['int64', [3n, 4n]],
  ['int32', [3, 4]],
  ['uint8', [3, 4]],
  ['int8', [-3, 4]],
  // The bits of 1.5 and 2.
  ['float16', [0x3e00, 0x4000]],
  ['bfloat16', [0x3fc0, 0x4000]],
  ['bool', [1, 0]],
])('%s comes through as it is', async ([dtype, values]) => {
  const graph = new GraphBuilder('same');
  const x = graph.input('x', dtype, [2]);
  graph.output(graph.node('Identity', [x], {}, 'y'), dtype, [2]);
  using session = await Session.open(graph.toBytes(), CPU);
  using from = session.allocate(dtype, [2]);
  for (let i = 0; i < 2; i++) from.data[i] = values[i]!;
  using to = session.allocate(dtype, [2]);
  using binding = session.bind().input('x', from).output('y', to);
  binding.run();
  expect(to.data).toEqual(from.data);
  expect(to.data[0]).toBe(values[0]);
});

test('a tensor over shared memory is read and written where it lies', async () => {
  using session = await Session.open(squared().toBytes(), CPU);
  const shared = new Float32Array(new SharedArrayBuffer(64), 8, 12);
  shared.fill(2);
  using x = DeviceTensor.over('float32', shared.subarray(0, 6), [2, 3]);
  using y = DeviceTensor.over('float32', shared.subarray(6), [2, 3]);
  using binding = session.bind().input('x', x).output('y', y);
  binding.run();
  expect([...shared]).toEqual([2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4]);
});

test('an output bound to an input’s own tensor updates it in place', async () => {
  const graph = new GraphBuilder('step');
  const [parameter, gradient] = ['parameter', 'gradient'].map((name) => graph.input(name, 'float32', [3]));
  const step = graph.node('Mul', [gradient!, graph.scalar(0.5)]);
  graph.output(graph.node('Sub', [parameter!, step], {}, 'updated'), 'float32', [3]);
  using session = await Session.open(graph.toBytes(), CPU);
  using weights = floats(1, 2, 3);
  using slope = floats(2, 2, 4);
  using binding = session
    .bind()
    .input('parameter', weights)
    .input('gradient', slope)
    .output('updated', weights);
  binding.run();
  binding.run();
  expect(weights.data).toEqual(Float32Array.of(-1, 0, -1));
});

test('a part lies in its whole: samples of a batch, and pieces of pieces', async () => {
  using session = await Session.open(squared('float32', [1, 3]).toBytes(), CPU);
  using batch = DeviceTensor.over(
    'float32',
    Float32Array.from({ length: 12 }, (_, i) => i),
    [4, 3],
  );
  using half = batch.part(6, [2, 3]);
  using sample = half.part(3, [1, 3]);
  using flat = sample.reshaped([3]);
  using result = batch.part(0, [1, 3]);
  using binding = session.bind().input('x', sample).output('y', result);
  binding.run();
  expect([...batch.data]).toEqual([81, 100, 121, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect([...flat.data]).toEqual([9, 10, 11]);
});

test('an output bound to a device is a new tensor in each run', async () => {
  using session = await Session.open(squared('float32', ['n']).toBytes(), CPU);
  using x = floats(1, 2);
  using longer = floats(1, 2, 3);
  using binding = session.bind().input('x', x).output('y', 'cpu');
  binding.run();
  const { y: first } = binding.results();
  x.data.fill(5);
  binding.run();
  const { y: second } = binding.results();
  binding.input('x', longer);
  binding.run();
  const { y: third } = binding.results();
  expect([first!.data, second!.data, third!.data].map((data) => [...data])).toEqual([
    [1, 4],
    [25, 25],
    [1, 4, 9],
  ]);
  for (const tensor of [first, second, third]) tensor![Symbol.dispose]();
});

test('a run on another thread leaves the event loop free, and can be stopped', async () => {
  const size = 1500;
  const graph = new GraphBuilder('long');
  let value = graph.input('x', 'float32', [size, size]);
  for (let i = 0; i < 40; i++) value = graph.node('MatMul', [value, value]);
  graph.output(graph.node('Identity', [value], {}, 'y'), 'float32', [size, size]);
  using session = await Session.open(graph.toBytes(), CPU);
  using x = session.allocate('float32', [size, size]);
  using y = session.allocate('float32', [size, size]);
  using binding = session.bind().input('x', x).output('y', y);
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    if (ticks === 3) binding.stop();
  }, 5);
  const running = binding.runAsync();
  expect(() => binding.run()).toThrow(/while it runs/);
  expect(() => binding[Symbol.dispose]()).toThrow(/in use|others use it/);
  await expect(running).rejects.toThrow(/terminate/i);
  clearInterval(timer);
  expect(ticks).toBeGreaterThanOrEqual(3);
});

test('weights beside a model’s file, or in a folder that is named, are found', async () => {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, 'weights'), new Uint8Array(Float32Array.of(0, 0, 10, 20).buffer));
  const graph = new GraphBuilder('external');
  const x = graph.input('x', 'float32', [2]);
  const weight = graph.external('weight', 'float32', [2], { location: 'weights', offset: 8, length: 8 });
  graph.output(graph.node('Add', [x, weight], {}, 'y'), 'float32', [2]);
  const file = path.join(folder, 'model.onnx');
  writeFileSync(file, graph.toBytes());
  const elsewhere = path.join(temporaryFolder(), 'model.onnx');
  writeFileSync(elsewhere, graph.toBytes());
  for (const [model, dataFolder] of [
    [file, null],
    [elsewhere, folder],
    [graph.toBytes(), folder],
  ] as const) {
    using session = await Session.open(model, { ...CPU, dataFolder });
    using input = floats(1, 2);
    using output = session.allocate('float32', [2]);
    using binding = session.bind().input('x', input).output('y', output);
    binding.run();
    expect([...output.data]).toEqual([11, 22]);
  }
});
