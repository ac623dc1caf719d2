import { GraphBuilder, type Value } from '../graph.ts';
import { window } from '../shapes.ts';
import { pair, type Rule, sumOfPixels, zeros } from './rule.ts';

/** Pixels of an image's output from which on a product of one image's is large enough by itself. */
const LOOP_PIXELS = 1024;

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
      () => {
        const [batch, , rows, columns] = shape(call.outputs[0]!) as [number, number, number, number];
        const [, , above, across] = shape(x) as [number, number, number, number];
        const map = { rows, columns, out, into, height, width, pads, above, across };
        return batch > 1 && rows * columns >= LOOP_PIXELS
          ? weightGradOfImages(graph, x, dy, map)
          : weightGradOfBatch(graph, x, dy, batch, map);
      },
      () => sumOfPixels(graph, dy, shape(call.outputs[0]!)),
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
      () => sumOfPixels(graph, dy, shape(call.outputs[0]!)),
    ];
  },
};

/** Sizes of a convolution of stride 1. */
interface Convolved {
  /** Of the output. */
  rows: number;
  columns: number;
  out: number;
  into: number;
  /** Of the kernel. */
  height: number;
  width: number;
  /** Top, left, bottom, right. */
  pads: number[];
  /** Of the input. */
  above: number;
  across: number;
}

/** The weight's gradient `[out, into, h, w]`: one product a kernel position, over all pixels of the batch. */
function weightGradOfBatch(graph: GraphBuilder, x: Value, dy: Value, batch: number, map: Convolved): Value {
  const { rows, columns, out, into, height, width } = map;
  const channelsFirst = (value: Value, channels: number) =>
    graph.reshape(batch === 1 ? value : graph.transpose(value, [1, 0, 2, 3]), [
      channels,
      batch * rows * columns,
    ]);
  const parts = positionGrads(graph, x, channelsFirst(dy, out), map, 2, (shifted) =>
    channelsFirst(shifted, into),
  );
  const positions = parts.length === 1 ? parts[0]! : graph.node('Concat', parts, { axis: 0 });
  return graph.reshape(graph.transpose(positions, [1, 0]), [out, into, height, width]);
}

/**
 * The same image by image: what is padded, shifted and laid out is one image at a time. Of UperNet's joined levels at a
 * batch of 16 each of these is 8 GB.
 */
function weightGradOfImages(graph: GraphBuilder, x: Value, dy: Value, map: Convolved): Value {
  const { rows, columns, out, into, height, width, above, across } = map;
  const name = `${dy} weight ${graph.calls.length}`;
  const image = new GraphBuilder('image', `${name} `);
  const sum = image.input(`${name} sum`, 'float32', [height * width, out * into]);
  const imageGrad = image.input(`${name} dy`, 'float32', [out, rows, columns]);
  const pixels = image.input(`${name} x`, 'float32', [into, above, across]);
  const parts = positionGrads(
    image,
    pixels,
    image.reshape(imageGrad, [out, rows * columns]),
    map,
    1,
    (shifted) => image.reshape(shifted, [into, rows * columns]),
  );
  const positions = parts.length === 1 ? parts[0]! : image.node('Concat', parts, { axis: 0 });
  image.output(image.node('Add', [sum, positions]), 'float32', [height * width, out * into]);
  const none = zeros(graph, [height * width, out * into], 'float32');
  const [total] = graph.nodes('Scan', [none, dy, x], { body: image, num_scan_inputs: 2 }, [name]);
  return graph.reshape(graph.transpose(total!, [1, 0]), [out, into, height, width]);
}

/** For each kernel position `[1, out · into]`: dy with the image shifted by that position. */
function positionGrads(
  graph: GraphBuilder,
  x: Value,
  outputGrad: Value,
  { rows, columns, out, into, height, width, pads }: Convolved,
  firstAxis: number,
  laidOut: (shifted: Value) => Value,
): Value[] {
  const [top, left, bottom, right] = pads as [number, number, number, number];
  const others = Array(firstAxis).fill(0);
  const padded = pads.some((pad) => pad > 0)
    ? graph.node('Pad', [x, graph.ints([...others, top, left, ...others, bottom, right])])
    : x;
  const parts: Value[] = [];
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++) {
      const axes = graph.ints([firstAxis, firstAxis + 1]);
      const bounds = [graph.ints([i, j]), graph.ints([i + rows, j + columns]), axes];
      const shifted = height * width === 1 ? padded : graph.node('Slice', [padded, ...bounds]);
      const part = graph.node('Gemm', [outputGrad, laidOut(shifted)], { transB: 1 });
      parts.push(graph.reshape(part, [1, out * into]));
    }
  return parts;
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
