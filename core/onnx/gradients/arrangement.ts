import type { Value } from '../graph.ts';
import { type Shape, sliceBounds } from '../shapes.ts';
import { castTo, type GradientContext, type Rule, sumTo, zeros } from './rule.ts';

/** Operators that move elements and compute nothing. */
export const ARRANGEMENT: Record<string, Rule> = {
  Identity: ({ dy }) => [() => dy],
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
  Cast: ({ dy, graph, call }) => [() => castTo(graph, dy, graph.typeOf(call.inputs[0]!))],
  Expand: (ctx) => [() => sumTo(ctx, ctx.dy, 0), null],
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
  Split: ({ outputGrads, graph, call, shape }) => [
    () => {
      const parts = call.outputs.map(
        (output, i) => outputGrads[i] ?? zeros(graph, shape(output), graph.typeOf(output)),
      );
      return graph.node('Concat', parts, { axis: (call.attributes.axis as number) ?? 0 });
    },
    null,
  ],
  /** Zeros where the slice took nothing. Put together by Concat: Pad has no CUDA kernel in bfloat16. */
  Slice: (ctx) => [() => sliceGradient(ctx), null, null, null, null],
};

function sliceGradient({ dy, graph, call, shape }: GradientContext): Value {
  const [x, starts, ends, axes, steps] = call.inputs as [Value, Value, Value, Value?, Value?];
  const from = graph.integersOf(starts);
  const to = graph.integersOf(ends);
  if (!from || !to || graph.integersOf(steps)?.some((step) => step !== 1))
    throw new Error(`Slice (${call.outputs[0]}): no gradient with steps, or bounds that are computed`);
  const whole = shape(x);
  const type = graph.typeOf(x);
  let part = dy;
  let covered: Shape = [...shape(call.outputs[0]!)];
  for (const [i, axis] of (graph.integersOf(axes) ?? from.map((_, i) => i)).entries()) {
    const at = axis < 0 ? axis + whole.length : axis;
    const size = whole[at]!;
    const bounds = sliceBounds(from[i]!, to[i]!, size);
    const side = (count: number) => {
      const zeroShape = covered.map((dim, k) => (k === at ? count : dim));
      return count > 0 ? [zeros(graph, zeroShape, type)] : [];
    };
    const pieces = [...side(bounds.from), part, ...side(size - bounds.to)];
    if (pieces.length > 1) part = graph.node('Concat', pieces, { axis: at });
    covered = covered.map((dim, k) => (k === at ? size : dim));
  }
  return part;
}
