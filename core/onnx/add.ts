import type { DType } from '../config/manifests.ts';
import { GraphBuilder } from './graph.ts';

/** Adds two vectors. Inputs `a`, `b` `[n]`; output `sum`, which may share the buffer of either. */
export function addGraph(dtype: DType): Uint8Array {
  const graph = new GraphBuilder('add');
  const [a, b] = [graph.input('a', dtype, ['n']), graph.input('b', dtype, ['n'])];
  graph.output(graph.node('Add', [a, b], {}, 'sum'), dtype, ['n']);
  return graph.toBytes();
}
