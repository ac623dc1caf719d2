import type { Config } from '../config/config.ts';
import { IGNORED_LABEL } from '../image/label-map.ts';
import { bilinearMatrix } from '../onnx/bilinear.ts';
import { GraphBuilder, type Value } from '../onnx/graph.ts';

/**
 * Upper limit of a tile's probabilities, bytes. On a CPU they should stay in a core's cache. A GPU runs few large
 * kernels faster; its other buffers take about five times as much.
 */
const TILE_BYTES: Record<Config['run']['device'], number> = { cpu: 2_000_000, cuda: 200_000_000 };
/** Lower limit of a probability: a pixel's loss stays finite, at most 87. */
const SMALLEST_PROBABILITY = 1e-38;

export interface LossShape {
  batch: number;
  classes: number;
  /** Side of the low-resolution logits. */
  side: number;
  /** Side of the labels. */
  size: number;
  /** Device whose tile size is used. */
  device: Config['run']['device'];
}

/** Prepared labels, shared by the losses of all heads. */
export interface Targets {
  /** `[B, S, S]` int64, 0 where ignored. */
  classes: Value;
  /** `[B, S, S]` float32: 1, or 0 where ignored. */
  weights: Value;
}

/**
 * Class indices and weights of the pixels. Ignored pixels have no gradient, but count in the mean, as in the original.
 *
 * @param labels `[B, S, S]` uint8
 */
export function lossTargets(graph: GraphBuilder, labels: Value): Targets {
  const numbers = graph.cast(labels, 'int64');
  const isIgnored = graph.node('Equal', [numbers, graph.ints([IGNORED_LABEL])]);
  const isLabelled = graph.node('Not', [isIgnored]);
  return {
    classes: graph.node('Mul', [numbers, graph.cast(isLabelled, 'int64')]),
    weights: graph.cast(isLabelled, 'float32'),
  };
}

/**
 * Resizes logits to the labels, and computes cross-entropy, accuracy and the loss's gradient in one pass.
 *
 * At full size the logits of 16 crops are 2.4 GB, and a chain of separate operators reads them ten times. This graph
 * works on tiles of rows, which stay in a CPU's cache: it upsamples a tile, computes probabilities, compares them with
 * the labels, and downsamples the gradient. Bilinear resizing is a product with one matrix on each side; its adjoint
 * uses their transposes.
 *
 * @param logits `[B, K, side, side]` float32
 * @param weight of this loss in the sum
 * @returns `loss` `[B, T]`, its sum over B and T is the (unweighted) mean over all pixels, ignored ones counted;
 *   `correct` `[B, T]`, pixels whose best class is the label; `gradient` `[B, K, side, side]`
 * @see mmseg 0.30 `BaseDecodeHead.losses`, `accuracy`; `CrossEntropyLoss` with avg_non_ignore off
 */
export function segmentationLoss(
  graph: GraphBuilder,
  name: string,
  logits: Value,
  { classes: labels, weights }: Targets,
  shape: LossShape,
  weight: number,
): { loss: Value; correct: Value; gradient: Value; tiles: number } {
  const { batch, classes, side, size } = shape;
  const rows = tileRows(shape);
  const tiles = size / rows;
  const pixels = batch * size * size;
  const matrix = (part: string, dims: number[], data: Float32Array) =>
    graph.constant(`${name}_${part}`, 'float32', dims, data);
  const tall = matrix('tall', [size, side], bilinearMatrix(side, size));
  const flat = matrix('flat', [side, size], bilinearMatrix(side, size, { transposed: true }));
  const narrow = matrix(
    'narrow',
    [side, size],
    bilinearMatrix(side, size, { transposed: true, scale: weight / pixels }),
  );

  const tile = new GraphBuilder('tile', `${name}_tile_`);
  {
    const input = (part: string, dtype: 'float32' | 'int64', dims: number[]) =>
      tile.input(`${name}_tile_${part}`, dtype, dims);
    const low = input('logits', 'float32', [rows, side, classes]);
    const label = tile.reshape(input('labels', 'int64', [rows, size]), [rows, size, 1]);
    const pixelWeight = tile.reshape(input('weights', 'float32', [rows, size]), [rows, size, 1]);
    const probabilities = tile.node('Softmax', [tile.node('MatMul', [tall, low])], { axis: -1 });
    const known = tile.node('GatherElements', [probabilities, label], { axis: -1 });
    const logarithm = tile.node('Log', [
      tile.node('Max', [known, tile.floats('smallest', [SMALLEST_PROBABILITY])]),
    ]);
    // Row by row, then the rows: a sum over all at once adds in another order from run to run on CUDA.
    const sum = (value: Value) => {
      const ofRows = tile.node('ReduceSum', [tile.reshape(value, [rows, size]), tile.ints([1])], {
        keepdims: 0,
      });
      return tile.node('ReduceSum', [ofRows], { keepdims: 0 });
    };
    const loss = tile.node('Mul', [
      sum(tile.node('Mul', [logarithm, pixelWeight])),
      tile.floats('mean', [-1 / pixels], []),
    ]);
    const best = tile.node('ReduceMax', [probabilities, tile.ints([-1])]);
    const isBest = tile.cast(tile.node('Not', [tile.node('Less', [known, best])]), 'float32');
    const correct = sum(tile.node('Mul', [isBest, pixelWeight]));
    const off = tile.node('Mul', [tile.node('Sub', [known, tile.floats('one', [1])]), pixelWeight]);
    const counted = tile.node('Mul', [probabilities, pixelWeight]);
    const logitsGrad = tile.node('ScatterElements', [counted, label, off], { axis: -1 });
    tile.output(loss, 'float32', []);
    tile.output(correct, 'float32', []);
    tile.output(tile.node('MatMul', [narrow, logitsGrad]), 'float32', [rows, side, classes]);
  }

  const image = new GraphBuilder('image', `${name}_image_`);
  {
    const low = image.input(`${name}_image_logits`, 'float32', [side, side * classes]);
    const tiled = (value: Value, dims: number[]) => image.reshape(value, [tiles, rows, ...dims]);
    const label = image.input(`${name}_image_labels`, 'int64', [size, size]);
    const pixelWeight = image.input(`${name}_image_weights`, 'float32', [size, size]);
    const scans = [
      tiled(image.node('MatMul', [tall, low]), [side, classes]),
      tiled(label, [size]),
      tiled(pixelWeight, [size]),
    ];
    const names = ['loss', 'correct', 'row_grads'].map((part) => `${name}_image_${part}`);
    const scan = { body: tile, num_scan_inputs: 3 };
    const [loss, correct, rowGrads] = image.nodes('Scan', scans, scan, names) as [Value, Value, Value];
    const gradient = image.node('MatMul', [flat, image.reshape(rowGrads, [size, side * classes])]);
    image.output(loss, 'float32', [tiles]);
    image.output(correct, 'float32', [tiles]);
    image.output(gradient, 'float32', [side, side * classes]);
  }

  const classesLast = graph.reshape(graph.transpose(logits, [0, 2, 3, 1]), [batch, side, side * classes]);
  const names = ['loss', 'correct', 'gradient'].map((part) => `${name}_${part}`);
  const scan = { body: image, num_scan_inputs: 3 };
  const [loss, correct, flatGrad] = graph.nodes('Scan', [classesLast, labels, weights], scan, names) as [
    Value,
    Value,
    Value,
  ];
  const gradient = graph.transpose(graph.reshape(flatGrad, [batch, side, side, classes]), [0, 3, 1, 2]);
  return { loss, correct, gradient, tiles };
}

/** The largest number of rows that fits a tile and divides the side. */
function tileRows({ size, classes, device }: LossShape): number {
  const most = Math.max(1, Math.floor(TILE_BYTES[device] / (size * classes * 4)));
  for (let rows = Math.min(most, size); rows > 1; rows--) if (size % rows === 0) return rows;
  return 1;
}
