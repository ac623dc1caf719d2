import { elementCount } from '../checkpoint/dtypes.ts';
import { bilinearMatrix } from './bilinear.ts';
import type { Attribute, Call, GraphBuilder, Value } from './graph.ts';
import { type Shape, window } from './shapes.ts';

/**
 * Input of a rule: the call to differentiate (`y = op(a, b, …)`), the gradient of the loss with respect to its first
 * output (`dy`), and the graph that the gradient's nodes are added to.
 */
export interface GradientContext {
  graph: GraphBuilder;
  call: Call;
  dy: Value;
  shape(value: Value): Shape;
}

/**
 * One gradient per input, in input order. Its nodes are added only when it is called. Null: the input has no gradient.
 */
type Rule = (context: GradientContext) => ((() => Value) | null)[];

/**
 * Reverse-mode differentiation, one rule per operator: computes the gradient with respect to the inputs from the
 * gradient with respect to the output. The rules use only operators that both the CPU and the CUDA provider support in
 * float32 (opset 23).
 */
export const GRADIENTS: Record<string, Rule> = {
  // — Arithmetic —
  Identity: ({ dy }) => [() => dy],
  Add: (ctx) => [() => sumTo(ctx, ctx.dy, 0), () => sumTo(ctx, ctx.dy, 1)],
  Sub: (ctx) => [() => sumTo(ctx, ctx.dy, 0), () => sumTo(ctx, ctx.graph.node('Neg', [ctx.dy]), 1)],
  Mul: (ctx) => {
    const { dy, graph } = ctx;
    const [a, b] = pair(ctx);
    return [() => sumTo(ctx, graph.node('Mul', [dy, b]), 0), () => sumTo(ctx, graph.node('Mul', [dy, a]), 1)];
  },

  // — Activations —
  /** The derivative is sign(y), because y ≥ 0. */
  Relu: ({ dy, graph, call }) => [() => graph.node('Mul', [dy, graph.node('Sign', [call.outputs[0]!])])],
  /** 2/√π · e^(−x²) */
  Erf: ({ dy, graph, call }) => [
    () => graph.node('Mul', [dy, scaled(graph, gauss(graph, call.inputs[0]!, -1), 2 / Math.sqrt(Math.PI))]),
  ],
  Exp: ({ dy, graph, call }) => [() => graph.node('Mul', [dy, call.outputs[0]!])],
  /** Φ(x) + x · φ(x), with the normal distribution's Φ and φ. */
  Gelu: ({ dy, graph, call }) => {
    const x = call.inputs[0]!;
    return [
      () => {
        const erf = graph.node('Erf', [scaled(graph, x, Math.SQRT1_2)]);
        const cumulative = graph.node('Add', [scaled(graph, erf, 0.5), graph.scalar(0.5)]);
        const density = scaled(graph, gauss(graph, x, -0.5), 1 / Math.sqrt(2 * Math.PI));
        const derivative = graph.node('Add', [cumulative, graph.node('Mul', [x, density])]);
        return graph.node('Mul', [dy, derivative]);
      },
    ];
  },

  // — Products —
  MatMul: (ctx) => {
    const { dy, graph, shape } = ctx;
    const [a, b] = pair(ctx);
    const transposed = (x: Value) => graph.transpose(x, swapLast(shape(x).length));
    return [
      () => sumTo(ctx, graph.node('MatMul', [dy, transposed(b)]), 0),
      () => sumTo(ctx, graph.node('MatMul', [transposed(a), dy]), 1),
    ];
  },
  /** y = A′ · B′ + c, where ′ is the transposition given by the attributes. */
  Gemm: (ctx) => {
    const { dy, graph, call } = ctx;
    const [a, b] = pair(ctx);
    const { transA = 0, transB = 0, alpha, beta } = call.attributes;
    if (alpha !== undefined || beta !== undefined) throw new Error('Gemm: no gradient with alpha or beta');
    const gemm = (x: Value, y: Value, left: Attribute, right: Attribute) =>
      graph.node('Gemm', [x, y], { transA: left, transB: right });
    return [
      () => (transA ? gemm(b, dy, transB, 1) : gemm(dy, b, 0, transB ? 0 : 1)),
      () => (transB ? gemm(dy, a, 1, transA) : gemm(a, dy, transA ? 0 : 1, 0)),
      () => sumTo(ctx, dy, 2),
    ];
  },

  // — Convolutions, `[B, C, H, W]` —
  Conv: (ctx) => {
    const { dy, graph, call, shape } = ctx;
    const [x, weight] = pair(ctx);
    const [out, into, height, width] = shape(weight) as [number, number, number, number];
    const { strides, pads } = window(call.attributes);
    const [top, left, bottom, right] = pads as [number, number, number, number];
    if (strides.some((stride) => stride !== 1))
      throw new Error(`Conv (${call.outputs[0]}): no gradient with strides ${strides}`);
    return [
      // The transposed convolution: dy convolved with the kernel rotated by 180°, input and output channels swapped.
      () => {
        const swapped = graph.transpose(weight, [1, 0, 2, 3]);
        const rotated = height * width === 1 ? swapped : flipped(graph, swapped);
        return graph.node('Conv', [dy, rotated], {
          kernel_shape: [height, width],
          pads: [height - 1 - top, width - 1 - left, height - 1 - bottom, width - 1 - right],
        });
      },
      // For each kernel position, one product over all pixels of the batch: dy with the image shifted by that position.
      () => {
        const padded = pads.some((pad) => pad > 0)
          ? graph.node('Pad', [x, graph.ints([0, 0, top, left, 0, 0, bottom, right])])
          : x;
        const [batch, , rows, columns] = shape(call.outputs[0]!) as [number, number, number, number];
        const pixels = batch * rows * columns;
        const channelsFirst = (value: Value, channels: number) =>
          graph.reshape(batch === 1 ? value : graph.transpose(value, [1, 0, 2, 3]), [channels, pixels]);
        const outputGrad = channelsFirst(dy, out);
        const parts: Value[] = [];
        for (let i = 0; i < height; i++)
          for (let j = 0; j < width; j++) {
            const bounds = [graph.ints([i, j]), graph.ints([i + rows, j + columns]), graph.ints([2, 3])];
            const shifted = height * width === 1 ? padded : graph.node('Slice', [padded, ...bounds]);
            const part = graph.node('Gemm', [outputGrad, channelsFirst(shifted, into)], { transB: 1 });
            parts.push(graph.reshape(part, [1, out * into]));
          }
        const positions = parts.length === 1 ? parts[0]! : graph.node('Concat', parts, { axis: 0 });
        return graph.reshape(graph.transpose(positions, [1, 0]), [out, into, height, width]);
      },
      () => graph.node('ReduceSum', [dy, graph.ints([0, 2, 3])], { keepdims: 0 }),
    ];
  },
  /** Only for kernels that do not overlap: the kernel size equals the stride. */
  ConvTranspose: (ctx) => {
    const { dy, graph, call, shape } = ctx;
    const [x, weight] = pair(ctx);
    const [into, out, height, width] = shape(weight) as [number, number, number, number];
    const { strides, pads } = window(call.attributes);
    if (strides[0] !== height || strides[1] !== width || pads.some((pad) => pad !== 0))
      throw new Error(`ConvTranspose (${call.outputs[0]}): no gradient where kernels overlap or are padded`);
    const [batch, , rows, columns] = shape(x) as [number, number, number, number];
    return [
      () => graph.node('Conv', [dy, weight], { kernel_shape: [height, width], strides: [height, width] }),
      () => {
        const blocks = graph.reshape(dy, [batch, out, rows, height, columns, width]);
        const outputGrad = graph.reshape(graph.transpose(blocks, [1, 3, 5, 0, 2, 4]), [
          out * height * width,
          batch * rows * columns,
        ]);
        const pixels = graph.reshape(graph.transpose(x, [1, 0, 2, 3]), [into, batch * rows * columns]);
        return graph.reshape(graph.node('Gemm', [pixels, outputGrad], { transB: 1 }), [
          into,
          out,
          height,
          width,
        ]);
      },
      () => graph.node('ReduceSum', [dy, graph.ints([0, 2, 3])], { keepdims: 0 }),
    ];
  },

  // — Normalisation —
  /**
   * `BatchNormTraining` returns y, the batch's mean and 1/√(variance + ε) = i, and c = x − mean (see batch-norm.ts):
   * dx = γ · i · (dy − mean(dy) − c · i² · mean(dy · c)).
   */
  BatchNormTraining: (ctx) => {
    const { dy, graph, call, shape } = ctx;
    const [x, scale] = pair(ctx);
    const [, , inverse, centred] = call.outputs as [Value, Value, Value, Value];
    const channels = shape(scale)[0]!;
    const pixels = elementCount(shape(x)) / channels;
    const sum = (value: Value) => graph.node('ReduceSum', [value, graph.ints([0, 2, 3])], { keepdims: 0 });
    const perChannel = (value: Value) => graph.reshape(value, [1, channels, 1, 1]);
    const dBias = once(() => sum(dy));
    const dScale = once(() => graph.node('Mul', [sum(graph.node('Mul', [dy, centred])), inverse]));
    return [
      () => {
        const gradMean = perChannel(scaled(graph, dBias(), 1 / pixels));
        const gradCentred = graph.node('Sub', [dy, gradMean]);
        const correlation = graph.node('Mul', [scaled(graph, dScale(), 1 / pixels), inverse]);
        const projection = graph.node('Mul', [centred, perChannel(correlation)]);
        const factor = perChannel(graph.node('Mul', [scale, inverse]));
        return graph.node('Mul', [graph.node('Sub', [gradCentred, projection]), factor]);
      },
      dScale,
      dBias,
    ];
  },
  /**
   * Over the last axis. As BatchNorm, with the scale inside the means:
   * dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(variance + ε), g = γ · dy.
   */
  LayerNormalization: (ctx) => {
    const { dy, graph, call, shape } = ctx;
    const [x, scale] = pair(ctx);
    const rank = shape(x).length;
    const { axis = -1, epsilon = { float: 1e-5 } } = call.attributes;
    if (axis !== -1 && axis !== rank - 1)
      throw new Error(`LayerNormalization: no gradient over axis ${axis}`);
    const mean = (value: Value) => graph.node('ReduceMean', [value, graph.ints([-1])]);
    const centred = once(() => graph.node('Sub', [x, mean(x)]));
    const inverse = once(() => {
      const variance = mean(graph.node('Mul', [centred(), centred()]));
      const guarded = graph.node('Add', [variance, graph.scalar((epsilon as { float: number }).float)]);
      return graph.node('Reciprocal', [graph.node('Sqrt', [guarded])]);
    });
    const normalised = once(() => graph.node('Mul', [centred(), inverse()]));
    const others = graph.ints(Array.from({ length: rank - 1 }, (_, i) => i));
    return [
      () => {
        const outputGrad = graph.node('Mul', [dy, scale]);
        const correlation = mean(graph.node('Mul', [outputGrad, normalised()]));
        const projection = graph.node('Mul', [normalised(), correlation]);
        const gradCentred = graph.node('Sub', [outputGrad, mean(outputGrad)]);
        return graph.node('Mul', [graph.node('Sub', [gradCentred, projection]), inverse()]);
      },
      () => graph.node('ReduceSum', [graph.node('Mul', [dy, normalised()]), others], { keepdims: 0 }),
      () => graph.node('ReduceSum', [dy, others], { keepdims: 0 }),
    ];
  },

  // — Sizes —
  /** Bilinear, half-pixel: a product with one matrix on each side; the adjoint uses their transposes. */
  Resize: ({ dy, graph, call, shape }) => {
    const { mode, coordinate_transformation_mode: where } = call.attributes;
    if (mode !== 'linear' || where !== 'half_pixel')
      throw new Error(`Resize: no gradient for ${mode}, ${where}`);
    const [, , height, width] = shape(call.inputs[0]!) as [number, number, number, number];
    const [, , rows, columns] = shape(call.outputs[0]!) as [number, number, number, number];
    return [
      () => {
        const name = call.outputs[0]!;
        const back = bilinearMatrix(height, rows, { transposed: true });
        const left = graph.constant(`${name}_rows`, 'float32', [height, rows], back);
        const right = graph.constant(
          `${name}_columns`,
          'float32',
          [columns, width],
          bilinearMatrix(width, columns),
        );
        return graph.node('MatMul', [left, graph.node('MatMul', [dy, right])]);
      },
      null,
      null,
      null,
    ];
  },
  /**
   * `MaxPool` returns y, and the elements of all windows by their position in the window (see max-pool.ts). The first
   * maximum of a window receives the whole gradient.
   */
  MaxPool: ({ dy, graph, call, shape }) => {
    const [y, ...parts] = call.outputs as [Value, ...Value[]];
    const [height, width] = call.attributes.kernel_shape as [number, number];
    const [batch, channels, rows, columns] = shape(y) as [number, number, number, number];
    const [, , above, across] = shape(call.inputs[0]!) as [number, number, number, number];
    const isLargest = (part: Value) => graph.cast(graph.node('Equal', [part, y]), 'float32');
    return [
      () => {
        let remaining = dy;
        const partGrads = parts.map((part) => {
          const partGrad = graph.node('Mul', [remaining, isLargest(part)]);
          remaining = graph.node('Sub', [remaining, partGrad]);
          return graph.reshape(partGrad, [batch, channels, rows, 1, columns, 1]);
        });
        // Reassemble the windows: columns of a window row side by side, then rows one below the other.
        const lines = Array.from({ length: height }, (_, row) =>
          graph.node('Concat', partGrads.slice(row * width, (row + 1) * width), { axis: 5 }),
        );
        const windows = graph.node('Concat', lines, { axis: 3 });
        const whole = graph.reshape(windows, [batch, channels, rows * height, columns * width]);
        const rest = [0, 0, 0, 0, 0, 0, above - rows * height, across - columns * width];
        return rest.some((pad) => pad > 0) ? graph.node('Pad', [whole, graph.ints(rest)]) : whole;
      },
    ];
  },

  // — Arrangement —
  Reshape: ({ dy, graph, call, shape }) => [() => graph.reshape(dy, shape(call.inputs[0]!)), null],
  Transpose: ({ dy, graph, call }) => {
    const perm = call.attributes.perm as number[];
    return [
      () =>
        graph.transpose(
          dy,
          perm.map((_, i) => perm.indexOf(i)),
        ),
    ];
  },
  Concat: ({ dy, graph, call, shape }) => {
    const axis = call.attributes.axis as number;
    let end = 0;
    return call.inputs.map((input) => {
      const start = end;
      end += shape(input).at(axis)!;
      const bounds = [[start], [start + shape(input).at(axis)!], [axis]];
      return () => graph.node('Slice', [dy, ...bounds.map((bound) => graph.ints(bound))]);
    });
  },

  // — Loss —
  /** Per pixel (reduction none): softmax − one-hot; 0 where the label is ignored. */
  SoftmaxCrossEntropyLoss: (ctx) => {
    const { dy, graph, call, shape } = ctx;
    const [scores, labels] = pair(ctx);
    const { reduction, ignore_index: ignored } = call.attributes;
    if (reduction !== 'none' || ignored === undefined)
      throw new Error('SoftmaxCrossEntropyLoss: no gradient without reduction none and an ignore_index');
    const [batch, , ...sides] = shape(scores) as [number, number, ...number[]];
    return [
      () => {
        const isIgnored = graph.node('Equal', [labels, graph.ints([ignored as number])]);
        const isLabelled = graph.cast(graph.node('Not', [isIgnored]), 'float32');
        const weight = graph.reshape(graph.node('Mul', [dy, isLabelled]), [batch, 1, ...sides]);
        const label = graph.reshape(graph.node('Where', [isIgnored, graph.ints([0]), labels]), [
          batch,
          1,
          ...sides,
        ]);
        const softmax = graph.node('Softmax', [scores], { axis: 1 });
        const known = graph.node('GatherElements', [softmax, label], { axis: 1 });
        const off = graph.node('Sub', [known, graph.scalar(1)]);
        const weighted = graph.node('Mul', [softmax, weight]);
        return graph.node('ScatterElements', [weighted, label, graph.node('Mul', [off, weight])], {
          axis: 1,
        });
      },
      null,
    ];
  },
};

function pair({ call }: GradientContext): [Value, Value] {
  return [call.inputs[0]!, call.inputs[1]!];
}

/** Sums a gradient over the axes along which the input was broadcast. */
function sumTo({ graph, call, shape }: GradientContext, gradient: Value, index: number): Value {
  const wanted = shape(call.inputs[index]!);
  const given = shape(call.outputs[0]!);
  const more = given.length - wanted.length;
  const axes = given.flatMap((dim, axis) =>
    axis < more || (wanted[axis - more] === 1 && dim !== 1) ? [axis] : [],
  );
  if (axes.length === 0) return gradient;
  const summed = graph.node('ReduceSum', [gradient, graph.ints(axes)], { keepdims: 1 });
  return more > 0 ? graph.reshape(summed, wanted) : summed;
}

function scaled(graph: GraphBuilder, x: Value, factor: number): Value {
  return graph.node('Mul', [x, graph.scalar(factor)]);
}

/** e^(factor · x²) */
function gauss(graph: GraphBuilder, x: Value, factor: number): Value {
  return graph.node('Exp', [scaled(graph, graph.node('Mul', [x, x]), factor)]);
}

/** A kernel rotated by 180°. */
function flipped(graph: GraphBuilder, weight: Value): Value {
  const beforeFirst = Number.MIN_SAFE_INTEGER;
  const [starts, ends, axes, steps] = [
    [-1, -1],
    [beforeFirst, beforeFirst],
    [2, 3],
    [-1, -1],
  ].map((values) => graph.ints(values)) as [Value, Value, Value, Value];
  return graph.node('Slice', [weight, starts, ends, axes, steps]);
}

function swapLast(rank: number): number[] {
  const perm = Array.from({ length: rank }, (_, i) => i);
  return [...perm.slice(0, -2), rank - 1, rank - 2];
}

/** Adds the nodes on the first call; later calls return the same value. */
function once(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
