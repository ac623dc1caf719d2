import { expect, test } from 'vitest';
import { Tensor } from '../../../activities/onnx/runtime.ts';
import { openSession, runSession } from '../../../activities/onnx/session.ts';
import { batchNormTraining } from '../../../core/onnx/batch-norm.ts';
import { differentiate } from '../../../core/onnx/differentiate.ts';
import { GRADIENTS } from '../../../core/onnx/gradients/all.ts';
import { GraphBuilder, type Value } from '../../../core/onnx/graph.ts';
import { maxPool } from '../../../core/onnx/max-pool.ts';
import { scaledLinear } from '../../../core/onnx/scaled-linear.ts';
import { inferShapes } from '../../../core/onnx/shapes.ts';
import { drawsAt } from '../../../core/train/draws.ts';

interface Case {
  /** Shapes of the inputs that are differentiated. */
  inputs: number[][];
  build(graph: GraphBuilder, inputs: Value[]): Value;
  /** Of the output. */
  shape: number[];
  /** Numbers in which no two are near a kink: a permutation of distinct steps. */
  spread?: boolean;
}

const pool = { kernel_shape: [2, 2], strides: [2, 2] };
const none = '' as Value;

/** At least one for each rule; several where attributes make a difference. */
const CASES: Record<string, Case> = {
  Identity: { inputs: [[2, 3]], shape: [2, 3], build: (g, [x]) => g.node('Identity', [x!]) },
  Add: { inputs: [[2, 3], [3]], shape: [2, 3], build: (g, [a, b]) => g.node('Add', [a!, b!]) },
  Sub: {
    inputs: [
      [2, 3],
      [2, 1],
    ],
    shape: [2, 3],
    build: (g, [a, b]) => g.node('Sub', [a!, b!]),
  },
  Mul: {
    inputs: [
      [2, 3, 2],
      [3, 1],
    ],
    shape: [2, 3, 2],
    build: (g, [a, b]) => g.node('Mul', [a!, b!]),
  },
  'Mul by itself': { inputs: [[4]], shape: [4], build: (g, [a]) => g.node('Mul', [a!, a!]) },
  Neg: { inputs: [[2, 3]], shape: [2, 3], build: (g, [x]) => g.node('Neg', [x!]) },
  Cast: { inputs: [[2, 3]], shape: [2, 3], build: (g, [x]) => g.cast(x!, 'float32') },
  Sigmoid: { inputs: [[6]], shape: [6], build: (g, [x]) => g.node('Sigmoid', [x!]) },
  Relu: { inputs: [[3, 4]], shape: [3, 4], spread: true, build: (g, [x]) => g.node('Relu', [x!]) },
  Erf: { inputs: [[6]], shape: [6], build: (g, [x]) => g.node('Erf', [x!]) },
  Exp: { inputs: [[6]], shape: [6], build: (g, [x]) => g.node('Exp', [x!]) },
  Gelu: { inputs: [[6]], shape: [6], build: (g, [x]) => g.node('Gelu', [x!]) },
  MatMul: {
    inputs: [
      [3, 4],
      [2, 4, 2],
    ],
    shape: [2, 3, 2],
    build: (g, [a, b]) => g.node('MatMul', [a!, b!]),
  },
  Gemm: {
    inputs: [[3, 4], [4, 2], [2]],
    shape: [3, 2],
    build: (g, inputs) => g.node('Gemm', inputs),
  },
  'Gemm, both transposed': {
    inputs: [
      [4, 3],
      [2, 4],
      [1, 2],
    ],
    shape: [3, 2],
    build: (g, inputs) => g.node('Gemm', inputs, { transA: 1, transB: 1 }),
  },
  ScaledLinear: {
    inputs: [[3, 4], [2, 4], [2], [2]],
    shape: [3, 2],
    build: (g, [x, weight, bias, gamma]) =>
      scaledLinear(g, x!, { weight: weight!, bias: bias!, gamma: gamma! }, 'linear'),
  },
  'Conv 1×1': {
    inputs: [[2, 3, 4, 5], [2, 3, 1, 1], [2]],
    shape: [2, 2, 4, 5],
    build: (g, inputs) => g.node('Conv', inputs, { kernel_shape: [1, 1] }),
  },
  'Conv 3×3, padded': {
    inputs: [
      [2, 2, 4, 3],
      [3, 2, 3, 3],
    ],
    shape: [2, 3, 4, 3],
    build: (g, inputs) => g.node('Conv', inputs, { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
  },
  'Conv 3×3, padded, large enough to go image by image': {
    inputs: [
      [2, 1, 32, 32],
      [2, 1, 3, 3],
    ],
    shape: [2, 2, 32, 32],
    build: (g, inputs) => g.node('Conv', inputs, { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
  },
  'Conv of what is resized and dropped, made again image by image': {
    inputs: [
      [2, 2, 4, 4],
      [2, 2, 1, 1],
      [1, 2, 1, 1],
    ],
    shape: [2, 1, 32, 32],
    build: (g, [x, mask, weight]) => {
      const large = resize([2, 2, 32, 32])(g, [x!]);
      return g.node('Conv', [g.node('Mul', [large, mask!]), weight!], { kernel_shape: [1, 1] });
    },
  },
  'Conv of what is scaled for all images alike': {
    inputs: [
      [2, 2, 32, 32],
      [1, 2, 1, 1],
      [1, 2, 1, 1],
    ],
    shape: [2, 1, 32, 32],
    build: (g, [x, scale, weight]) =>
      g.node('Conv', [g.node('Mul', [x!, scale!]), weight!], { kernel_shape: [1, 1] }),
  },
  'Conv 2×3, one image, padded on one side': {
    inputs: [
      [1, 2, 4, 5],
      [2, 2, 2, 3],
    ],
    shape: [1, 2, 4, 4],
    build: (g, inputs) => g.node('Conv', inputs, { kernel_shape: [2, 3], pads: [1, 0, 0, 1] }),
  },
  ConvTranspose: {
    inputs: [[2, 3, 2, 3], [3, 2, 2, 2], [2]],
    shape: [2, 2, 4, 6],
    build: (g, inputs) => g.node('ConvTranspose', inputs, pool),
  },
  'ConvTranspose, large enough to go image by image': {
    inputs: [[2, 1, 32, 32], [1, 1, 2, 2], [1]],
    shape: [2, 1, 64, 64],
    build: (g, inputs) => g.node('ConvTranspose', inputs, pool),
  },
  BatchNormTraining: {
    inputs: [[2, 3, 2, 3], [3], [3]],
    shape: [2, 3, 2, 3],
    build: (g, [x, scale, bias]) => {
      const [mean, variance] = [g.floats('mean', [0, 0, 0]), g.floats('variance', [1, 1, 1])];
      return batchNormTraining(g, x!, { scale: scale!, bias: bias!, mean, variance }, 1e-5).y;
    },
  },
  LayerNormalization: {
    inputs: [[2, 3, 4], [4], [4]],
    shape: [2, 3, 4],
    build: (g, inputs) => g.node('LayerNormalization', inputs, { axis: -1, epsilon: { float: 1e-6 } }),
  },
  RMSNormalization: {
    inputs: [[2, 3, 4], [4]],
    shape: [2, 3, 4],
    build: (g, inputs) => g.node('RMSNormalization', inputs, { axis: -1, epsilon: { float: 1e-6 } }),
  },
  Attention: {
    inputs: [
      [2, 5, 6],
      [2, 5, 6],
      [2, 5, 6],
    ],
    shape: [2, 5, 6],
    build: (g, inputs) => g.node('Attention', inputs, { q_num_heads: 2, kv_num_heads: 2 }),
  },
  'Attention over as many tokens as products are fast with': {
    inputs: [
      [1, 8, 4],
      [1, 8, 4],
      [1, 8, 4],
    ],
    shape: [1, 8, 4],
    build: (g, inputs) => g.node('Attention', inputs, { q_num_heads: 2, kv_num_heads: 2 }),
  },
  'Attention, one image, scaled': {
    inputs: [
      [1, 3, 4],
      [1, 3, 4],
      [1, 3, 4],
    ],
    shape: [1, 3, 4],
    build: (g, inputs) =>
      g.node('Attention', inputs, { q_num_heads: 2, kv_num_heads: 2, scale: { float: 0.3 } }),
  },
  'Resize up': { inputs: [[1, 2, 2, 3]], shape: [1, 2, 5, 7], build: resize([1, 2, 5, 7]) },
  'Resize down': { inputs: [[1, 2, 7, 6]], shape: [1, 2, 3, 4], build: resize([1, 2, 3, 4]) },
  MaxPool: {
    inputs: [[2, 2, 4, 5]],
    shape: [2, 2, 2, 2],
    spread: true,
    build: (g, [x]) => maxPool(g, x!, [2, 2], 'pooled'),
  },
  Reshape: { inputs: [[2, 6]], shape: [3, 4], build: (g, [x]) => g.reshape(x!, [3, -1]) },
  Transpose: { inputs: [[2, 3, 4]], shape: [4, 2, 3], build: (g, [x]) => g.transpose(x!, [2, 0, 1]) },
  Concat: {
    inputs: [
      [2, 1, 3],
      [2, 2, 3],
    ],
    shape: [2, 3, 3],
    build: (g, inputs) => g.node('Concat', inputs, { axis: 1 }),
  },
  Expand: {
    inputs: [[3, 1]],
    shape: [2, 3, 4],
    build: (g, [x]) => g.node('Expand', [x!, g.ints([2, 3, 4])]),
  },
  Split: {
    inputs: [[2, 6]],
    shape: [2, 2],
    build: (g, [x]) => {
      const [a, , c] = g.nodes('Split', [x!], { axis: 1, num_outputs: 3 }, ['a', 'b', 'c']);
      return g.node('Mul', [a!, c!]);
    },
  },
  'Split into uneven parts': {
    inputs: [[5, 2]],
    shape: [3, 2],
    build: (g, [x]) => g.nodes('Split', [x!, g.ints([2, 3])], { axis: 0 }, ['a', 'b'])[1]!,
  },
  Slice: {
    inputs: [[3, 5, 2]],
    shape: [2, 3, 2],
    build: (g, [x]) => g.node('Slice', [x!, g.ints([1, -4]), g.ints([1000, 4]), g.ints([0, 1])]),
  },
  SoftmaxCrossEntropyLoss: {
    inputs: [[2, 4, 3]],
    shape: [2, 3],
    build: (g, [scores]) => {
      const labels = g.constant('labels', 'int64', [2, 3], BigInt64Array.from([0n, 3n, 255n, 1n, 255n, 2n]));
      return g.node('SoftmaxCrossEntropyLoss', [scores!, labels], { reduction: 'none', ignore_index: 255 });
    },
  },
};

function resize(shape: number[]): Case['build'] {
  const attributes = { mode: 'linear', coordinate_transformation_mode: 'half_pixel' };
  return (g, [x]) => g.node('Resize', [x!, none, none, g.ints(shape)], attributes);
}

test('every rule has a case', () => {
  const covered = new Set(Object.keys(CASES).map((name) => name.split(/[ ,]/)[0]));
  expect([...covered].sort()).toEqual(Object.keys(GRADIENTS).sort());
});

test.each(Object.entries(CASES))(
  '%s: the gradient is the slope that finite differences show',
  async (_, one) => {
    const draws = drawsAt(1, 'gradients');
    const numbers = (count: number) => {
      const even = Array.from({ length: count }, (_, i) => (i - count / 2 + 0.5) / 4);
      if (!one.spread) return Float32Array.from(even, () => draws.normal());
      for (let i = count - 1; i > 0; i--) {
        const other = draws.integer(0, i + 1);
        [even[i], even[other]] = [even[other]!, even[i]!];
      }
      return Float32Array.from(even);
    };
    const inputs = one.inputs.map((shape) => numbers(size(shape)));
    // The loss is the output weighted by fixed numbers, so that every element of it matters differently.
    const weights = Float32Array.from({ length: size(one.shape) }, () => draws.normal());

    const graph = new GraphBuilder('case');
    const values = one.inputs.map((shape, i) => graph.input(`x${i}`, 'float32', shape));
    const y = graph.node('Identity', [one.build(graph, values)], {}, 'y');
    const seed = graph.constant('seed', 'float32', one.shape, weights);
    const gradients = differentiate(graph, [[y, seed]], values);
    graph.output(y, 'float32', one.shape);
    for (const [i, gradient] of gradients.entries())
      graph.output(graph.node('Identity', [gradient], {}, `dx${i}`), 'float32', one.inputs[i]!);
    const session = await openSession(graph.toBytes(), { device: 'cpu', threads: 1 });
    const run = (arrays: Float32Array[]) =>
      runSession(
        session,
        Object.fromEntries(
          arrays.map((array, i) => [`x${i}`, new Tensor('float32', array, one.inputs[i]!)] as const),
        ),
        'cpu',
      );
    const loss = async (arrays: Float32Array[]) => {
      const { y } = await run(arrays);
      return (y!.data as Float32Array).reduce((sum, value, i) => sum + value * weights[i]!, 0);
    };

    const outputs = await run(inputs);
    const step = 1 / 64;
    for (const [at, input] of inputs.entries())
      for (let i = 0; i < input.length; i++) {
        const moved = (by: number) =>
          loss(inputs.map((array, j) => (j === at ? array.map((v, k) => (k === i ? v + by : v)) : array)));
        // Richardson's extrapolation: the error is of the fourth order in the step.
        const [near, far] = [step, 2 * step].map(
          async (h) => ((await moved(h)) - (await moved(-h))) / (2 * h),
        );
        const slope = (4 * (await near!) - (await far!)) / 3;
        const gradient = (outputs[`dx${at}`]!.data as Float32Array)[i]!;
        expect(
          Math.abs(gradient - slope),
          `input ${at}, element ${i}: ${gradient} and ${slope}`,
        ).toBeLessThan(5e-4 * Math.max(1, Math.abs(slope)));
      }
    await session.release();
  },
);

test('a value that is used twice gets the sum of both gradients', async () => {
  const graph = new GraphBuilder('twice');
  const x = graph.input('x', 'float32', [2]);
  const y = graph.node('Add', [graph.node('Mul', [x, x]), x]);
  const [dx] = differentiate(graph, [[y, graph.floats('seed', [1, 10])]], [x]);
  graph.output(dx!, 'float32', [2]);
  const session = await openSession(graph.toBytes(), { device: 'cpu', threads: 1 });
  const outputs = await runSession(session, { x: new Tensor('float32', Float32Array.of(3, 5), [2]) }, 'cpu');
  expect([...(outputs[dx!]!.data as Float32Array)]).toEqual([7, 110]);
  await session.release();
});

test('nothing is computed for the sake of an input that nobody asks for', () => {
  const graph = new GraphBuilder('frozen');
  const [x, w] = [graph.input('x', 'float32', [1, 2, 3, 3]), graph.input('w', 'float32', [2, 2, 1, 1])];
  const y = graph.node('Conv', [graph.node('MaxPool', [x], { kernel_shape: [1, 1] }), w], {});
  const before = graph.calls.length;
  differentiate(graph, [[y, graph.constant('seed', 'float32', [1, 2, 3, 3], new Float32Array(18))]], [w]);
  expect(graph.calls.slice(before).map(({ op }) => op)).not.toContain('Conv');
});

test.for([
  [25, 1297, 25, 1304],
  [16, 4096, 4, 4096],
  [6, 8192, 1, 8192],
] as const)(
  'of %i heads over %i tokens, attention’s backward computes %i maps at a time, %i tokens wide',
  ([heads, tokens, atOnce, filled]) => {
    const graph = new GraphBuilder('attention');
    const shape = [2, tokens, 8 * heads];
    const [q, k, v, dy] = ['q', 'k', 'v', 'dy'].map((name) => graph.input(name, 'float32', shape));
    const y = graph.node('Attention', [q!, k!, v!], { q_num_heads: heads, kv_num_heads: heads });
    differentiate(graph, [[y, dy!]], [q!, k!, v!]);
    const scan = graph.calls.find(({ op }) => op === 'Scan');
    const pieces = (2 * heads) / atOnce;
    expect(inferShapes(graph)(scan!.inputs[0]!)).toEqual([pieces, atOnce, filled, 8]);
  },
);

test('a gradient that nobody has a rule for is refused: that of a second output', () => {
  const graph = new GraphBuilder('statistics');
  const [x, scale] = [graph.input('x', 'float32', [2, 3]), graph.input('scale', 'float32', [3])];
  const [, mean] = graph.nodes('LayerNormalization', [x, scale], { axis: -1 }, ['y', 'mean']);
  graph.shapes.set(mean!, [2, 1]);
  const seed = graph.constant('seed', 'float32', [2, 1], Float32Array.of(1, 1));
  expect(() => differentiate(graph, [[mean!, seed]], [x])).toThrow(
    'LayerNormalization: no rule for the gradient of its output mean',
  );
});

test('an operator without a rule is named', () => {
  const graph = new GraphBuilder('unknown');
  const x = graph.input('x', 'float32', [2]);
  const y = graph.node('Ceil', [x]);
  expect(() => differentiate(graph, [[y, graph.floats('seed', [1, 1])]], [x])).toThrow(
    /^Ceil \(Ceil_1\): no rule for its gradient$/,
  );
});

test('a value without a part in the loss is named', () => {
  const graph = new GraphBuilder('apart');
  const [x, apart] = [graph.input('x', 'float32', [2]), graph.input('apart', 'float32', [2])];
  const y = graph.node('Relu', [x]);
  expect(() => differentiate(graph, [[y, graph.floats('seed', [1, 1])]], [apart])).toThrow(
    'apart plays no part in the loss',
  );
});

function size(shape: number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}
