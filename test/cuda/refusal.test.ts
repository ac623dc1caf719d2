import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { openSession } from '../../activities/onnx/session.ts';
import { GraphBuilder } from '../../core/onnx/graph.ts';
import { nodesWithoutKernel } from '../../infra/cuda-check/placement.ts';
import { temporaryFolder } from '../infra/observe.ts';

test('a graph with MaxPool of opset 23 does not open, and the node is named with its type and opset', async () => {
  const graph = new GraphBuilder('pool');
  const x = graph.input('x', 'float32', [1, 2, 4, 4]);
  const pooled = graph.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] }, 'feat3');
  graph.output(graph.node('Relu', [pooled], {}, 'y'), 'float32', [1, 2, 2, 2]);
  await expect(openSession(graph.toBytes(), { device: 'cuda', threads: 1 })).rejects.toThrow(
    /fallback to CPU EP/,
  );
  const model = path.join(temporaryFolder(), 'pool.onnx');
  writeFileSync(model, graph.toBytes());
  expect(await nodesWithoutKernel(model)).toEqual(['feat3: MaxPool of opset 23 on float32']);
});

test('so is a node of half precision within a loop', async () => {
  const body = new GraphBuilder('tile', 'tile_');
  const row = body.input('tile_row', 'float32', [4]);
  const isLess = body.node('Less', [body.cast(row, 'bfloat16'), body.cast(row, 'bfloat16')], {}, 'is_less');
  body.output(body.cast(isLess, 'float32', 'less'), 'float32', [4]);
  const graph = new GraphBuilder('loop');
  const x = graph.input('x', 'float32', [3, 4]);
  graph.output(graph.node('Scan', [x], { body, num_scan_inputs: 1 }, 'y'), 'float32', [3, 4]);
  await expect(openSession(graph.toBytes(), { device: 'cuda', threads: 1 })).rejects.toThrow();
  const model = path.join(temporaryFolder(), 'loop.onnx');
  writeFileSync(model, graph.toBytes());
  expect(await nodesWithoutKernel(model)).toEqual(['is_less: Less of opset 23 on bfloat16, bfloat16']);
});
