import type { Rule } from './rule.ts';

/** Operators that move elements and compute nothing. */
export const ARRANGEMENT: Record<string, Rule> = {
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
};
