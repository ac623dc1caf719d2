import { isWide } from '../image/label-map.ts';
import { GraphBuilder, type Value } from '../onnx/graph.ts';

/** Rows of the image that are scored and labelled at a time: bounds the memory to rows × width × classes. */
export const TILE_ROWS = 32;

export interface StitchShape {
  classes: number;
  /** Side of a window's logits. */
  side: number;
  /** Views of an image: 1, or those of test-time augmentation. */
  views: number;
}

/**
 * An image's window logits in, its label map out.
 *
 * For each class: rows · L · columnsᵀ, with L the windows' logits side by side (see stitch-matrix.ts), then the
 * best class of each pixel. Rows go in tiles, so that 150 full-size maps never exist at once; classes lie
 * innermost, so that a tile is one product of matrices and the best class is looked for in neighbouring numbers.
 *
 * Inputs for each view v: `windows_v` `[R, C, K, h, w]` float32, the grid's logits; `rows_v` `[T, TILE_ROWS, R·h]`,
 * the row matrix in tiles, padded with zeros; `columns_v` `[W, C·w]`, the column matrix; `mosaic_v` int64 `[3]`, the
 * sizes R·h, C·w and K: an input, since nodes that compute shapes would have to run on the host.
 * Output: `labels` `[T, TILE_ROWS, W]` uint8, of more than 255 classes int32, or for comparisons `scores` `[T, TILE_ROWS, W, K]` float32: the logits
 * of a single view, or the mean over views of probabilities. A single view needs no softmax: it doesn't change
 * which class is best.
 *
 * @see mmseg 0.30 `EncoderDecoder.slide_inference`, `simple_test`, `aug_test`
 */
export function stitchGraph(shape: StitchShape, result: 'labels' | 'scores'): Uint8Array {
  const graph = new GraphBuilder('stitch');
  const body = new GraphBuilder('tile', 'tile_');
  const scans: Value[] = [];
  let sum: Value | null = null;
  for (let view = 0; view < shape.views; view++) {
    const lowRows = `lowRows_${view}`;
    scans.push(graph.input(`rows_${view}`, 'float32', ['tiles', TILE_ROWS, lowRows]));
    const tile = body.input(`tile_rows_${view}`, 'float32', [TILE_ROWS, lowRows]);
    const flat = body.node('MatMul', [tile, widened(graph, shape, view)]);
    const logits = body.reshape(flat, [TILE_ROWS, -1, shape.classes]);
    const scores = shape.views === 1 ? logits : body.node('Softmax', [logits], { axis: -1 });
    sum = sum ? body.node('Add', [sum, scores]) : scores;
  }
  const scored = sum!;
  const dtype = isWide(shape.classes) ? 'int32' : 'uint8';
  if (result === 'scores') {
    const mean = body.node('Div', [scored, body.floats('views', [shape.views], [1])]);
    body.output(mean, 'float32', [TILE_ROWS, 'outWidth', shape.classes]);
  } else {
    const best = body.node('ArgMax', [scored], { axis: -1, keepdims: 0 });
    body.output(body.cast(best, dtype), dtype, [TILE_ROWS, 'outWidth']);
  }
  const stitched = graph.node('Scan', scans, { body, num_scan_inputs: shape.views }, result);
  if (result === 'scores') graph.output(stitched, 'float32', ['tiles', TILE_ROWS, 'outWidth', shape.classes]);
  else graph.output(stitched, dtype, ['tiles', TILE_ROWS, 'outWidth']);
  return graph.toBytes();
}

/** A view's logits, widened to the image's columns: `[R·h, W·K]`. */
function widened(graph: GraphBuilder, { classes, side }: StitchShape, view: number): Value {
  const windows = graph.input(`windows_${view}`, 'float32', [
    `gridRows_${view}`,
    `gridColumns_${view}`,
    classes,
    side,
    side,
  ]);
  const columns = graph.input(`columns_${view}`, 'float32', ['outWidth', `lowColumns_${view}`]);
  // [R, C, K, h, w] → [R, h, C, w, K] → [R·h, C·w, K]: the windows side by side.
  const sides = graph.input(`mosaic_${view}`, 'int64', [3]);
  const mosaic = graph.node('Reshape', [graph.transpose(windows, [0, 3, 1, 4, 2]), sides]);
  const wide = graph.node('MatMul', [columns, mosaic]);
  return graph.reshape(wide, [0, -1]);
}
