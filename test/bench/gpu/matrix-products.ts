import type { InferenceSession, Tensor } from '../../../activities/onnx/runtime.ts';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import type { Device } from '../../../core/config/config.ts';
import type { DType } from '../../../core/config/manifests.ts';
import { GraphBuilder, type Value } from '../../../core/onnx/graph.ts';

/** Products in a row, so that launching them doesn't count. */
const CHAIN = 16;
/** Side of the square matrices; large enough for any device's peak. */
const SIDE: Record<Device, number> = { cuda: 8_192, cpu: 1_024 };

/** A chain of square products on the device; one number goes in and one comes out. */
export async function matmulTflops(
  device: Device,
  dtype: DType,
  threads: number,
  passes: number,
): Promise<number> {
  const side = SIDE[device];
  const graph = new GraphBuilder('peak');
  // Scaled by an input, so that nothing can be computed ahead.
  const scale = graph.input('scale', 'float32', [1]);
  const filled = graph.node('Expand', [scale, graph.ints([side, side])]);
  const matrix = graph.cast(filled, dtype);
  let product: Value = matrix;
  for (let i = 0; i < CHAIN; i++) product = graph.node('MatMul', [product, matrix]);
  graph.output(
    graph.node('ReduceMean', [graph.cast(product, 'float32')], { keepdims: 0 }, 'mean'),
    'float32',
    [],
  );
  const session = await openSession(graph.toBytes(), { device, threads });
  const inputs = { scale: tensor(Float32Array.of(1 / side), [1]) };
  const seconds = await medianSeconds(session, inputs, device, passes);
  await session.release();
  return (CHAIN * 2 * side ** 3) / seconds / 1e12;
}

/** Of as many runs, after one that warms up. */
export async function medianSeconds(
  session: InferenceSession,
  inputs: Record<string, Tensor>,
  device: Device,
  passes: number,
): Promise<number> {
  await runSession(session, inputs, device);
  const seconds: number[] = [];
  for (let pass = 0; pass < passes; pass++) {
    const start = performance.now();
    await runSession(session, inputs, device);
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds.sort((a, b) => a - b)[Math.floor(passes / 2)]!;
}
