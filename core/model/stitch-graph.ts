import { GraphBuilder, type Value } from '../onnx/graph.ts';

/** Rows of the image that are scored and labelled at a time: bounds the memory to classes × rows × width. */
export const TILE_ROWS = 32;

/**
 * An image's window logits in, its label map out.
 *
 * For each class: rows · L · columns, with L the windows' logits side by side (see stitch-matrix.ts), then
 * the best class of each pixel. Rows go in tiles, so that 150 full-size maps never exist at once.
 *
 * Inputs: `windows` `[R, C, K, h, w]` float32, the grid's logits; `rows` `[T, TILE_ROWS, R·h]`, the row
 * matrix in tiles, padded with zeros; `columns` `[C·w, W]`, the column matrix transposed.
 * Output: `labels` `[T, TILE_ROWS, W]` uint8, or `logits` `[T, K, TILE_ROWS, W]` float32 for comparisons.
 *
 * Softmax is left out: it doesn't change which class is best.
 *
 * @see mmseg 0.30 `EncoderDecoder.slide_inference`, `simple_test`
 */
export function stitchGraph(
  low: { classes: number; height: number; width: number },
  result: 'labels' | 'logits',
): Uint8Array {
  const { classes, height, width } = low;
  const graph = new GraphBuilder('stitch');
  const windows = graph.input('windows', 'float32', ['gridRows', 'gridColumns', classes, height, width]);
  const rows = graph.input('rows', 'float32', ['tiles', TILE_ROWS, 'lowRows']);
  const columns = graph.input('columns', 'float32', ['lowColumns', 'outWidth']);

  // [R, C, K, h, w] → [K, R, h, C, w] → [K, R·h, C·w]: the windows side by side.
  const mosaic = graph.transpose(windows, [2, 0, 3, 1, 4]);
  const lowRows = graph.node('Shape', [rows], { start: 2, end: 3 });
  const lowColumns = graph.node('Shape', [columns], { start: 0, end: 1 });
  const shape = graph.node('Concat', [graph.ints([classes]), lowRows, lowColumns], { axis: 0 });
  const wide = graph.node('MatMul', [graph.node('Reshape', [mosaic, shape]), columns]);

  const body = new GraphBuilder('tile', 'tile_');
  const tile = body.input('tile_rows', 'float32', [TILE_ROWS, 'lowRows']);
  const scores = body.node('MatMul', [tile, wide]);
  if (result === 'logits') {
    body.output(scores, 'float32', [classes, TILE_ROWS, 'outWidth']);
  } else {
    const best = body.node('ArgMax', [scores], { axis: 0, keepdims: 0 });
    body.output(body.cast(best, 'uint8'), 'uint8', [TILE_ROWS, 'outWidth']);
  }
  const scanned: Value = graph.node('Scan', [rows], { body, num_scan_inputs: 1 }, result);
  if (result === 'logits') graph.output(scanned, 'float32', ['tiles', classes, TILE_ROWS, 'outWidth']);
  else graph.output(scanned, 'uint8', ['tiles', TILE_ROWS, 'outWidth']);
  return graph.toBytes();
}
