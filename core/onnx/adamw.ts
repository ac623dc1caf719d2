import type { DType } from '../config/manifests.ts';
import { GraphBuilder, type Value } from './graph.ts';

export interface AdamWOptions {
  betas: [number, number];
  eps: number;
}

/** Factors of one step and one parameter group. */
export interface AdamWFactors {
  /** 1 − lr · weight decay. */
  decay: number;
  /** lr / bias correction of the first moment. */
  rate: number;
  /** 1 / √(bias correction of the second moment). */
  correction: number;
}

/** @param step number of this step, from 1 */
export function adamwFactors(
  { betas }: AdamWOptions,
  step: number,
  lr: number,
  weightDecay: number,
): AdamWFactors {
  return {
    decay: 1 - lr * weightDecay,
    rate: lr / (1 - betas[0] ** step),
    correction: 1 / Math.sqrt(1 - betas[1] ** step),
  };
}

/** Order of the factors in the graph's input. */
export const FACTORS = ['decay', 'rate', 'correction'] as const satisfies (keyof AdamWFactors)[];

/**
 * AdamW with decoupled weight decay, over any number of elements.
 *
 * Inputs: `parameter`, `gradient`, `first`, `second` `[n]` float32, and `factors` `[3]` float32, in the order of `FACTORS`.
 * Outputs: `next parameter`, `next first`, `next second`, which may share the buffer of the input of their name: each
 * element is written after its last read; with a copy, `next copy`: the parameter in another type, as graphs read it.
 *
 * @see torch `AdamW` (single tensor, no amsgrad)
 */
export function adamwGraph({ betas, eps }: AdamWOptions, copy: DType | null = null): Uint8Array {
  const graph = new GraphBuilder('adamw');
  const vector = (name: string) => graph.input(name, 'float32', ['n']);
  const [parameter, gradient, first, second] = ['parameter', 'gradient', 'first', 'second'].map(vector) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const factors = graph.input('factors', 'float32', [FACTORS.length]);
  const [decay, rate, correction] = graph.nodes(
    'Split',
    [factors],
    { axis: 0, num_outputs: FACTORS.length },
    FACTORS.map((name) => `factor ${name}`),
  ) as [Value, Value, Value];
  const times = (a: Value, b: Value | number) =>
    graph.node('Mul', [a, typeof b === 'number' ? graph.scalar(b) : b]);

  const change = times(graph.node('Sub', [gradient, first]), 1 - betas[0]);
  const nextFirst = graph.node('Add', [first, change], {}, 'next first');
  const square = times(times(gradient, gradient), 1 - betas[1]);
  const nextSecond = graph.node('Add', [times(second, betas[1]), square], {}, 'next second');
  const root = times(graph.node('Sqrt', [nextSecond]), correction);
  const direction = graph.node('Div', [nextFirst, graph.node('Add', [root, graph.scalar(eps)])]);
  const step = times(direction, rate);
  const next = graph.node('Sub', [times(parameter, decay), step], {}, 'next parameter');
  for (const value of [next, nextFirst, nextSecond]) graph.output(value, 'float32', ['n']);
  if (copy) graph.output(graph.cast(next, copy, 'next copy'), copy, ['n']);
  return graph.toBytes();
}
