import type { GraphBuilder, Value } from './graph.ts';

/**
 * Maximum over windows that lie side by side: MaxPool with strides as large as its kernel, no padding, and the rest of
 * a side that holds no whole window left out. Spelt out, since ONNX Runtime has no CUDA kernel of MaxPool from opset 22
 * on: every window's first element, second, …, as strided slices, and their maximum. One call to differentiate.
 *
 * @param x `[B, C, H, W]` float32
 * @param sides the window's height and width
 * @param name of the result
 * @returns `[B, C, ⌊H / height⌋, ⌊W / width⌋]`
 */
export function maxPool(graph: GraphBuilder, x: Value, sides: [number, number], name: string): Value {
  const [height, width] = sides;
  const attributes = { kernel_shape: sides, strides: sides };
  const build = () => {
    const parts: Value[] = [];
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) parts.push(everyWindows(graph, x, sides, [row, column]));
    return [graph.node('Max', parts, {}, name), ...parts];
  };
  return graph.composite('MaxPool', [x], build, attributes)[0]!;
}

/** One element of each window. Its end is such that what comes after the last whole window is not taken. */
function everyWindows(
  graph: GraphBuilder,
  x: Value,
  [height, width]: [number, number],
  [row, column]: [number, number],
): Value {
  // A slice from `row` to −(height − 1 − row) ends before the last window's later rows, so that a cut-off window has none.
  const end = (from: number, size: number) => (from === size - 1 ? Number.MAX_SAFE_INTEGER : from + 1 - size);
  const bounds = [
    [row, column],
    [end(row, height), end(column, width)],
    [2, 3],
    [height, width],
  ].map((values) => graph.ints(values));
  return graph.node('Slice', [x, ...bounds]);
}
