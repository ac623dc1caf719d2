import { expect, test } from 'vitest';
import { Tensor } from '../../../activities/onnx/runtime.ts';
import { openSession } from '../../../activities/onnx/session.ts';
import { adamwFactors, adamwGraph, FACTORS } from '../../../core/onnx/adamw.ts';
import { drawsAt } from '../../../core/train/draws.ts';

const OPTIONS = { betas: [0.9, 0.999] as [number, number], eps: 1e-8 };

/** The paper's algorithm (Loshchilov & Hutter 2019, algorithm 2) in float64. */
function reference(gradients: number[], lr: number, weightDecay: number) {
  let [parameter, first, second] = [1, 0, 0];
  for (const [i, gradient] of gradients.entries()) {
    const step = i + 1;
    first = 0.9 * first + 0.1 * gradient;
    second = 0.999 * second + 0.001 * gradient ** 2;
    const [m, v] = [first / (1 - 0.9 ** step), second / (1 - 0.999 ** step)];
    parameter = parameter - lr * weightDecay * parameter - (lr * m) / (Math.sqrt(v) + 1e-8);
  }
  return { parameter, first, second };
}

test.each([0, 0.05])('five steps in place are the paper’s, weight decay %d', async (weightDecay) => {
  const count = 37;
  const draws = drawsAt(5, 'adamw');
  const gradients = Array.from({ length: 5 }, () => Array.from({ length: count }, () => draws.normal()));
  const session = await openSession(adamwGraph(OPTIONS), { device: 'cpu', threads: 1 });
  const vector = (values: Float32Array) => new Tensor('float32', values, [count]);
  const arrays = [new Float32Array(count).fill(1), new Float32Array(count), new Float32Array(count)] as const;
  for (const [i, gradient] of gradients.entries()) {
    const factors = adamwFactors(OPTIONS, i + 1, 0.01, weightDecay);
    const [parameter, first, second] = arrays.map(vector) as [Tensor, Tensor, Tensor];
    const values = Float32Array.from(FACTORS, (name) => factors[name]);
    await session.run(
      {
        parameter,
        first,
        second,
        gradient: vector(Float32Array.from(gradient)),
        factors: new Tensor('float32', values, [values.length]),
      },
      { 'next parameter': parameter, 'next first': first, 'next second': second },
    );
  }
  await session.release();
  for (let i = 0; i < count; i++) {
    const expected = reference(
      gradients.map((step) => step[i]!),
      0.01,
      weightDecay,
    );
    expect(arrays[0][i]).toBeCloseTo(expected.parameter, 5);
    expect(arrays[1][i]).toBeCloseTo(expected.first, 6);
    expect(arrays[2][i]).toBeCloseTo(expected.second, 7);
  }
});
