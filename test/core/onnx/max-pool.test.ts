import { expect, test } from 'vitest';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import { differentiate } from '../../../core/onnx/differentiate.ts';
import { GraphBuilder, type Value } from '../../../core/onnx/graph.ts';
import { maxPool } from '../../../core/onnx/max-pool.ts';
import { inferShapes } from '../../../core/onnx/shapes.ts';

async function run(graph: GraphBuilder, outputs: [Value, number[]][], x: number[], shape: number[]) {
  for (const [value, dims] of outputs) graph.output(value, 'float32', dims);
  const session = await openSession(graph.toBytes(), { device: 'cpu', threads: 1 });
  const results = await runSession(session, { x: tensor(Float32Array.from(x), shape) }, 'cpu');
  await session.release();
  return outputs.map(([value]) => [...(results[value]!.data as Float32Array)]);
}

test.for([
  [4, 4],
  [5, 7],
  [3, 2],
  [2, 5],
] as const)('spelt out, it gives what MaxPool gives: %i × %i', async ([height, width]) => {
  const shape = [2, 3, height, width];
  const graph = new GraphBuilder('pool');
  const x = graph.input('x', 'float32', shape);
  const spelt = maxPool(graph, x, [2, 2], 'spelt');
  const own = graph.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] }, 'own');
  const dims = [2, 3, Math.floor(height / 2), Math.floor(width / 2)];
  expect(inferShapes(graph)(spelt)).toEqual(dims);
  const numbers = Array.from({ length: 6 * height * width }, (_, i) => ((i * 37) % 101) - 50);
  const outputs: [Value, number[]][] = [
    [spelt, dims],
    [own, dims],
  ];
  const [ours, theirs] = await run(graph, outputs, numbers, shape);
  expect(ours).toEqual(theirs);
});

test('of equals, the first of a window has the gradient, and what no window holds has none', async () => {
  const graph = new GraphBuilder('ties');
  const x = graph.input('x', 'float32', [1, 1, 3, 4]);
  const y = maxPool(graph, x, [2, 2], 'y');
  const seed = graph.constant('seed', 'float32', [1, 1, 1, 2], Float32Array.of(5, 7));
  const [dx] = differentiate(graph, [[y, seed]], [x]);
  const numbers = [1, 3, 2, 2, 3, 3, 2, 2, 9, 9, 9, 9];
  expect(await run(graph, [[dx!, [1, 1, 3, 4]]], numbers, [1, 1, 3, 4])).toEqual([
    [0, 5, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ]);
});
