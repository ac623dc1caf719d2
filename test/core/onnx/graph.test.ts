import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { InferenceSession, Tensor } from '../../../activities/onnx/runtime.ts';
import { GraphBuilder, type Value } from '../../../core/onnx/graph.ts';

async function run(graph: GraphBuilder, inputs: Record<string, Tensor>) {
  const session = await InferenceSession.create(graph.toBytes());
  onTestFinished(() => session.release());
  return session.run(inputs);
}

const floats = (values: number[], dims = [values.length]) =>
  new Tensor('float32', Float32Array.from(values), dims);

/** A graph of one float32 vector, `x`. */
function vectorGraph(build: (graph: GraphBuilder, x: Value) => Value, length: number | string = 'n') {
  const graph = new GraphBuilder('test');
  graph.output(build(graph, graph.input('x', 'float32', [length])), 'float32', ['m']);
  return graph;
}

test('a graph runs in ONNX Runtime as it was built, its dimensions named or fixed', async () => {
  const graph = vectorGraph((g, x) => g.node('Add', [x, g.floats('one', [1])], {}, 'sum'));
  const { sum } = await run(graph, { x: floats([1, 2, 3]) });
  expect([...(sum!.data as Float32Array)]).toEqual([2, 3, 4]);

  const fixed = vectorGraph((g, x) => g.node('Neg', [x], {}, 'y'), 2);
  await expect(run(fixed, { x: floats([1, 2, 3]) })).rejects.toThrow(/dimension/i);
});

describe('attributes of each kind reach their operator', () => {
  const x = { x: floats([-4, 2, -6, 8]) };

  test('an int', async () => {
    const graph = vectorGraph((g, v) =>
      g.node('ReduceSum', [g.reshape(v, [2, 2]), g.ints([1])], { keepdims: 0 }, 'y'),
    );
    const { y } = await run(graph, x);
    expect([y!.dims, [...(y!.data as Float32Array)]]).toEqual([[2], [-2, 2]]);
  });

  test('a float, whole or not', async () => {
    for (const slope of [0.5, 3]) {
      const graph = vectorGraph((g, v) => g.node('LeakyRelu', [v], { alpha: { float: slope } }, 'y'));
      const { y } = await run(graph, x);
      expect([...(y!.data as Float32Array)]).toEqual([-4 * slope, 2, -6 * slope, 8]);
    }
  });

  test('a list of ints', async () => {
    const graph = vectorGraph((g, v) => g.reshape(g.transpose(g.reshape(v, [2, 2]), [1, 0]), [4], 'y'));
    const { y } = await run(graph, x);
    expect([...(y!.data as Float32Array)]).toEqual([-4, -6, 2, 8]);
  });

  test('a string', async () => {
    // Exactly Gelu differs from its tanh approximation in the fourth digit.
    const gelu = async (approximate: string) => {
      const graph = vectorGraph((g, v) => g.node('Gelu', [v], { approximate }, 'y'));
      return ((await run(graph, { x: floats([2]) })).y!.data as Float32Array)[0]!;
    };
    expect(await gelu('none')).toBeCloseTo(1.9545, 4);
    expect(await gelu('tanh')).toBeCloseTo(1.9546, 4);
  });

  test('a graph, which may name values of the one around it', async () => {
    const graph = new GraphBuilder('outer');
    const rows = graph.input('x', 'float32', ['n', 2]);
    const offset = graph.floats('offset', [10, 20]);
    const body = new GraphBuilder('body', 'body_');
    const row = body.input('row', 'float32', [2]);
    body.output(body.node('Add', [row, offset]), 'float32', [2]);
    graph.output(graph.node('Scan', [rows], { body, num_scan_inputs: 1 }, 'y'), 'float32', ['n', 2]);
    const { y } = await run(graph, { x: floats([1, 2, 3, 4], [2, 2]) });
    expect([...(y!.data as Float32Array)]).toEqual([11, 22, 13, 24]);
  });
});

test('a node with several outputs gives each of them', async () => {
  const graph = new GraphBuilder('test');
  const x = graph.input('x', 'float32', [4]);
  for (const half of graph.nodes('Split', [x], { axis: 0, num_outputs: 2 }, ['a', 'b']))
    graph.output(half, 'float32', [2]);
  const { a, b } = await run(graph, { x: floats([1, 2, 3, 4]) });
  expect([[...(a!.data as Float32Array)], [...(b!.data as Float32Array)]]).toEqual([
    [1, 2],
    [3, 4],
  ]);
});

test('a cast gives each type that checkpoints come in', async () => {
  const graph = new GraphBuilder('test');
  const x = graph.input('x', 'float32', [1]);
  const types = [
    'float16',
    'bfloat16',
    'float64',
    'int64',
    'int32',
    'int16',
    'int8',
    'uint8',
    'bool',
  ] as const;
  for (const type of types) graph.output(graph.cast(graph.cast(x, type), 'float32', type), 'float32', [1]);
  const outputs = await run(graph, { x: floats([3.001953125]) });
  const values = Object.fromEntries(types.map((type) => [type, (outputs[type]!.data as Float32Array)[0]]));
  const whole = { int64: 3, int32: 3, int16: 3, int8: 3, uint8: 3, bool: 1 };
  expect(values).toEqual({ float16: 3.001953125, bfloat16: 3, float64: 3.001953125, ...whole });
});

test('a constant takes just its part of a larger buffer', async () => {
  const part = Float32Array.of(1, 2, 3, 4).subarray(2);
  const graph = vectorGraph((g, x) => g.node('Add', [x, g.constant('c', 'float32', [2], part)], {}, 'y'));
  const { y } = await run(graph, { x: floats([10, 20]) });
  expect([...(y!.data as Float32Array)]).toEqual([13, 24]);
});

test('external data is read from its file at its offset', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const bytes = Buffer.alloc(4096 + 12, 0xff);
  Buffer.from(Float32Array.of(7, 8, 9).buffer).copy(bytes, 4096);
  await writeFile(join(folder, 'weights.bin'), bytes);

  const graph = vectorGraph((g, x) => {
    const place = { location: 'weights.bin', offset: 4096, length: 12 };
    return g.node('Add', [x, g.external('w', 'float32', [3], place)], {}, 'y');
  });
  await writeFile(join(folder, 'model.onnx'), graph.toBytes());
  const session = await InferenceSession.create(join(folder, 'model.onnx'));
  onTestFinished(() => session.release());
  const { y } = await session.run({ x: floats([1, 1, 1]) });
  expect([...(y!.data as Float32Array)]).toEqual([8, 9, 10]);
});
