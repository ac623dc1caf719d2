import type { GraphBuilder, Value } from '../graph.ts';
import { window } from '../shapes.ts';
import { pair, type Rule } from './rule.ts';

/** Convolutions of `[B, C, H, W]`. */
export const CONVOLUTIONS: Record<string, Rule> = {
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
};

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
