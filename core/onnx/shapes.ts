import { elementCount } from '../checkpoint/dtypes.ts';
import type { Call, GraphBuilder, Value } from './graph.ts';

export type Shape = number[];

/** What a shape rule sees of a call. */
interface ShapeContext {
  call: Call;
  /** Of the call's inputs. */
  shapes: Shape[];
  integers(index: number): number[];
}

/** Operators that keep their first input's shape. */
const same = ({ shapes }: ShapeContext) => [shapes[0]!];

/** Shape of the outputs, by operator: those that are differentiated, and what they are made of. */
const RULES: Record<string, (context: ShapeContext) => Shape[]> = {
  Identity: same,
  Relu: same,
  Gelu: same,
  Erf: same,
  Exp: same,
  Sigmoid: same,
  Neg: same,
  Cast: same,
  LayerNormalization: same,
  RMSNormalization: same,
  Attention: ({ shapes: [query, , value], call: { attributes } }) => {
    const { q_num_heads: heads, kv_num_heads: valueHeads } = attributes as Record<string, number>;
    return [[...query!.slice(0, -1), (value!.at(-1)! / valueHeads!) * heads!]];
  },
  BatchNormTraining: ({ shapes: [x, scale] }) => [x!, scale!, scale!, x!],
  Add: ({ shapes: [a, b] }) => [broadcast(a!, b!)],
  Sub: ({ shapes: [a, b] }) => [broadcast(a!, b!)],
  Mul: ({ shapes: [a, b] }) => [broadcast(a!, b!)],
  MatMul: ({ shapes: [a, b] }) => [[...broadcast(a!.slice(0, -2), b!.slice(0, -2)), a!.at(-2)!, b!.at(-1)!]],
  Gemm: ({ shapes: [a, b], call: { attributes } }) => [
    [attributes.transA ? a![1]! : a![0]!, attributes.transB ? b![0]! : b![1]!],
  ],
  ScaledLinear: ({ shapes: [x, w] }) => [[x![0]!, w![0]!]],
  Conv: ({ shapes: [x, w], call: { attributes } }) => {
    const { strides, pads } = window(attributes);
    const side = (axis: 0 | 1) =>
      Math.floor((x![axis + 2]! + pads[axis]! + pads[axis + 2]! - w![axis + 2]!) / strides[axis]!) + 1;
    return [[x![0]!, w![0]!, side(0), side(1)]];
  },
  ConvTranspose: ({ shapes: [x, w], call: { attributes } }) => {
    const { strides, pads } = window(attributes);
    const side = (axis: 0 | 1) =>
      (x![axis + 2]! - 1) * strides[axis]! + w![axis + 2]! - pads[axis]! - pads[axis + 2]!;
    return [[x![0]!, w![1]!, side(0), side(1)]];
  },
  MaxPool: ({ shapes: [x], call: { attributes } }) => {
    const [height, width] = attributes.kernel_shape as [number, number];
    const pooled = [x![0]!, x![1]!, Math.floor(x![2]! / height), Math.floor(x![3]! / width)];
    return Array.from({ length: 1 + height * width }, () => pooled);
  },
  Resize: ({ integers }) => [integers(3)],
  Reshape: ({ shapes: [x], integers }) => [filled(integers(1), elementCount(x!))],
  Transpose: ({ shapes: [x], call: { attributes } }) => [
    (attributes.perm as number[]).map((axis) => x![axis]!),
  ],
  Concat: ({ shapes, call: { attributes } }) => {
    const axis = positive(attributes.axis as number, shapes[0]!.length);
    const total = shapes.reduce((sum, shape) => sum + shape[axis]!, 0);
    return [shapes[0]!.map((dim, i) => (i === axis ? total : dim))];
  },
  Split: ({ shapes: [x], call: { attributes, outputs }, integers }) => {
    const axis = positive((attributes.axis as number) ?? 0, x!.length);
    const sizes = integers(1);
    const even = Math.ceil(x![axis]! / outputs.length);
    return outputs.map((_, part) => {
      const size = sizes[part] ?? Math.min(even, x![axis]! - part * even);
      return x!.map((dim, i) => (i === axis ? size : dim));
    });
  },
  Slice: ({ shapes: [x], integers }) => {
    const [starts, ends, axes, steps] = [1, 2, 3, 4].map(integers) as [
      number[],
      number[],
      number[],
      number[],
    ];
    const shape = [...x!];
    for (const [i, start] of starts.entries()) {
      const axis = positive(axes[i] ?? i, shape.length);
      const { from, to } = sliceBounds(start, ends[i]!, x![axis]!);
      shape[axis] = Math.max(0, Math.ceil((to - from) / (steps[i] ?? 1)));
    }
    return [shape];
  },
  Expand: ({ shapes: [x], integers }) => [broadcast(x!, integers(1))],
  Pad: ({ shapes: [x], integers }) => {
    const pads = integers(1);
    return [x!.map((dim, axis) => dim + pads[axis]! + pads[axis + x!.length]!)];
  },
  SoftmaxCrossEntropyLoss: ({ shapes: [scores, labels] }) => [labels!, scores!],
};

/**
 * The shapes of the values of a graph, as far as they follow from those of its inputs and initializers.
 *
 * @returns what gives a value's shape; it throws where an operator on the way has no rule, or sizes differ from run to run
 */
export function inferShapes(graph: GraphBuilder): (value: Value) => Shape {
  const known = new Map<Value, Shape>();
  for (const [value, dims] of graph.shapes)
    if (dims.every((dim) => typeof dim === 'number')) known.set(value, dims as Shape);
  for (const call of graph.calls) {
    const rule = RULES[call.op];
    const shapes = call.inputs.map((input) => known.get(input) ?? (input === '' ? [] : undefined));
    if (!rule || shapes.some((shape) => shape === undefined)) continue;
    const integers = (index: number) => graph.integersOf(call.inputs[index]) ?? [];
    for (const [i, shape] of rule({ call, shapes: shapes as Shape[], integers }).entries())
      if (call.outputs[i]) known.set(call.outputs[i], shape);
  }
  return (value) => {
    const shape = known.get(value);
    if (!shape) throw new Error(`the shape of ${value} isn't known: some operator before it has no rule`);
    return shape;
  };
}

/** A convolution's strides and pads (top, left, bottom, right), as they are if nothing is said. */
export function window({ strides, pads }: Call['attributes']): { strides: number[]; pads: number[] } {
  return { strides: (strides as number[]) ?? [1, 1], pads: (pads as number[]) ?? [0, 0, 0, 0] };
}

/** Where a slice with positive steps begins and ends, for bounds that may count from the end or lie beyond it. */
export function sliceBounds(start: number, end: number, size: number): { from: number; to: number } {
  const clamped = (bound: number) => Math.min(Math.max(bound < 0 ? bound + size : bound, 0), size);
  return { from: clamped(start), to: clamped(end) };
}

function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) =>
    Math.max(a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1),
  );
}

function filled(shape: Shape, total: number): Shape {
  const rest = elementCount(shape.filter((dim) => dim !== -1));
  return shape.map((dim) => (dim === -1 ? total / rest : dim));
}

function positive(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
