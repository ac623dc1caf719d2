import { bilinearMatrix } from '../bilinear.ts';
import type { Value } from '../graph.ts';
import type { Rule } from './rule.ts';

/** Resizing and pooling of `[B, C, H, W]`. */
export const SIZES: Record<string, Rule> = {
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
};
