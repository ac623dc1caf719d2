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

/**
 * AdamW with decoupled weight decay, over any number of elements.
 *
 * Inputs: `parameter`, `gradient`, `first`, `second` `[n]` float32, and the factors as scalars.
 * Outputs: `next parameter`, `next first`, `next second`. An output may share the buffer of the input of its name: each element is written after
 * its last read.
 *
 * @see torch `AdamW` (single tensor, no amsgrad)
 */
export function adamwGraph({ betas, eps }: AdamWOptions): Uint8Array {
  const graph = new GraphBuilder('adamw');
  const vector = (name: string) => graph.input(name, 'float32', ['n']);
  const factor = (name: keyof AdamWFactors) => graph.input(name, 'float32', []);
  const [parameter, gradient, first, second] = ['parameter', 'gradient', 'first', 'second'].map(vector) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const times = (a: Value, b: Value | number) =>
    graph.node('Mul', [a, typeof b === 'number' ? graph.scalar(b) : b]);

  const change = times(graph.node('Sub', [gradient, first]), 1 - betas[0]);
  const nextFirst = graph.node('Add', [first, change], {}, 'next first');
  const square = times(times(gradient, gradient), 1 - betas[1]);
  const nextSecond = graph.node('Add', [times(second, betas[1]), square], {}, 'next second');
  const root = times(graph.node('Sqrt', [nextSecond]), factor('correction'));
  const direction = graph.node('Div', [nextFirst, graph.node('Add', [root, graph.scalar(eps)])]);
  const step = times(direction, factor('rate'));
  const next = graph.node('Sub', [times(parameter, factor('decay')), step], {}, 'next parameter');
  for (const value of [next, nextFirst, nextSecond]) graph.output(value, 'float32', ['n']);
  return graph.toBytes();
}
