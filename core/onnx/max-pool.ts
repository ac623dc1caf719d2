import type { GraphBuilder, Value } from './graph.ts';

/**
 * MaxPool with strides equal to the kernel size and without padding; an incomplete window at the end of a side is
 * dropped. Made of strided slices (the first element of each window, the second, …) and their maximum, because ONNX
 * Runtime has no CUDA kernel for MaxPool from opset 22 on. One call for `differentiate`.
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

/** One element of each window. The slice ends before an incomplete last window. */
function everyWindows(
  graph: GraphBuilder,
  x: Value,
  [height, width]: [number, number],
  [row, column]: [number, number],
): Value {
  // The slice from `row` to −(height − 1 − row) excludes rows of an incomplete window.
  const end = (from: number, size: number) => (from === size - 1 ? Number.MAX_SAFE_INTEGER : from + 1 - size);
  const bounds = [
    [row, column],
    [end(row, height), end(column, width)],
    [2, 3],
    [height, width],
  ].map((values) => graph.ints(values));
  return graph.node('Slice', [x, ...bounds]);
}
