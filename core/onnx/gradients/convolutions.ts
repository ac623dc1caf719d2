import { type Call, GraphBuilder, type Value } from '../graph.ts';
import { type Shape, window } from '../shapes.ts';
import { type GradientContext, pair, type Rule, sumOfPixels, zeros } from './rule.ts';

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
        const map = { rows, columns, out, into, height, width, pads };
        return batch > 1 && rows * columns >= LOOP_PIXELS
          ? weightGradOfImages(ctx, map)
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
        const map = { rows, columns, out, into, height, width };
        const grad =
          batch > 1 && rows * columns >= LOOP_PIXELS
            ? sumOverImages(ctx, [x], [into, out * height * width], (image, grad, [pixels]) =>
                transposedGrad(image, pixels!, grad, 1, map),
              )
            : transposedGrad(graph, x, dy, batch, map);
        return graph.reshape(grad, [into, out, height, width]);
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
}

/** The weight's gradient `[out, into, h, w]`: one product a kernel position, over all pixels of the batch. */
function weightGradOfBatch(graph: GraphBuilder, x: Value, dy: Value, batch: number, map: Convolved): Value {
  const { rows, columns, out, into } = map;
  const channelsFirst = (value: Value, channels: number) =>
    graph.reshape(batch === 1 ? value : graph.transpose(value, [1, 0, 2, 3]), [
      channels,
      batch * rows * columns,
    ]);
  const parts = positionGrads(graph, x, channelsFirst(dy, out), map, 2, (shifted) =>
    channelsFirst(shifted, into),
  );
  const positions = parts.length === 1 ? parts[0]! : graph.node('Concat', parts, { axis: 0 });
  return byChannel(graph, positions, map);
}

/** A transposed convolution's, `[into, out · h · w]`: one product of all pixels. */
function transposedGrad(
  graph: GraphBuilder,
  x: Value,
  dy: Value,
  batch: number,
  {
    rows,
    columns,
    out,
    into,
    height,
    width,
  }: Pick<Convolved, 'rows' | 'columns' | 'out' | 'into' | 'height' | 'width'>,
): Value {
  const blocks = graph.reshape(dy, [batch, out, rows, height, columns, width]);
  const outputGrad = graph.reshape(graph.transpose(blocks, [1, 3, 5, 0, 2, 4]), [
    out * height * width,
    batch * rows * columns,
  ]);
  const maps = batch === 1 ? x : graph.transpose(x, [1, 0, 2, 3]);
  const pixels = graph.reshape(maps, [into, batch * rows * columns]);
  return graph.node('Gemm', [pixels, outputGrad], { transB: 1 });
}

/**
 * The same image by image: what is padded, shifted and laid out is one image at a time. Of one of UperNet's levels at a batch
 * of 16 each of these is 2 GB.
 */
function weightGradOfImages(ctx: GradientContext, map: Convolved): Value {
  const { graph, call } = ctx;
  const { rows, columns, out, into, height, width } = map;
  const x = call.inputs[0]!;
  const sources = sourcesOf(ctx, x);
  const total = sumOverImages(ctx, sources, [height * width, out * into], (image, grad, parts) => {
    const pixels = imageOf(ctx, x, image, new Map(sources.map((source, i) => [source, parts[i]!])));
    const outputGrad = image.reshape(grad, [out, rows * columns]);
    const positions = positionGrads(image, pixels, outputGrad, map, 1, (shifted) =>
      image.reshape(shifted, [into, rows * columns]),
    );
    return positions.length === 1 ? positions[0]! : image.node('Concat', positions, { axis: 0 });
  });
  return byChannel(graph, total, map);
}

/**
 * Sums what a product gives of each image, in their order.
 *
 * @param values `[B, …]`, of the forward pass
 * @param dims of the sum
 * @param product adds the nodes for one image: of its gradient, and of its values
 */
function sumOverImages(
  { graph, call, dy, shape }: GradientContext,
  values: Value[],
  dims: number[],
  product: (image: GraphBuilder, grad: Value, values: Value[]) => Value,
): Value {
  const name = `${dy} weight ${graph.calls.length}`;
  const image = new GraphBuilder('image', `${name} `);
  const sum = image.input(`${name} sum`, 'float32', dims);
  const [grad, ...inputs] = [call.outputs[0]!, ...values].map((value, i) =>
    image.input(`${name} ${i}`, 'float32', shape(value).slice(1)),
  );
  image.output(image.node('Add', [sum, product(image, grad!, inputs)]), 'float32', dims);
  const none = zeros(graph, dims, 'float32');
  const scan = { body: image, num_scan_inputs: 1 + values.length };
  return graph.nodes('Scan', [none, dy, ...values], scan, [name])[0]!;
}

/** What is made again for one image, given the images of its inputs; shapes are those of the batch. */
const AGAIN: Record<string, (image: GraphBuilder, call: Call, images: Value[], shape: Shape) => Value> = {
  Mul: (image, _, images) => image.node('Mul', images),
  Resize: (image, { attributes }, [from], [, ...to]) => {
    const none = '' as Value;
    const one = image.node('Unsqueeze', [from!, image.ints([0])]);
    const resized = image.node('Resize', [one, none, none, image.ints([1, ...to])], attributes);
    return image.reshape(resized, to);
  },
};

/**
 * What a convolution's input is made of: what is resized, or left by dropout, is made once more for each image, and need not
 * be kept for the batch. Of UperNet's at a batch of 16 that is 8 GB.
 */
function sourcesOf(ctx: GradientContext, x: Value): Value[] {
  const call = madeBy(ctx, x);
  return call ? [...new Set(imagesIn(call).flatMap((input) => sourcesOf(ctx, input)))] : [x];
}

/** An image `[C, H, W]` of a convolution's input, of images of its sources. */
function imageOf(
  ctx: GradientContext,
  x: Value,
  image: GraphBuilder,
  sources: ReadonlyMap<Value, Value>,
): Value {
  const source = sources.get(x);
  if (source) return source;
  const call = madeBy(ctx, x)!;
  const images = imagesIn(call).map((input) => imageOf(ctx, input, image, sources));
  return AGAIN[call.op]!(image, call, images, ctx.shape(x));
}

/** What a value is made by, if that can be done image by image: all of its inputs have as many images. */
function madeBy({ graph, shape }: GradientContext, value: Value): Call | undefined {
  const call = graph.calls.find(({ outputs }) => outputs[0] === value);
  if (!call || !AGAIN[call.op]) return undefined;
  const [batch, ...rest] = shape(value);
  const isOfImages = (input: Value) => {
    const [images, ...dims] = shape(input);
    return images === batch && dims.length === rest.length;
  };
  return imagesIn(call).every(isOfImages) ? call : undefined;
}

function imagesIn({ op, inputs }: Call): Value[] {
  return op === 'Resize' ? inputs.slice(0, 1) : inputs;
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

/**
 * `[h · w, out · into]` as a kernel `[out, into, h, w]`.
 *
 * A Transpose that moves nothing ONNX Runtime would replace by a node of its own, which has no place among the others' order,
 * and keep the layer's values until that has run.
 */
function byChannel(graph: GraphBuilder, positions: Value, { out, into, height, width }: Convolved): Value {
  const channels = height * width === 1 ? positions : graph.transpose(positions, [1, 0]);
  return graph.reshape(channels, [out, into, height, width]);
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
