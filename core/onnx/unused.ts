import type { GraphProto, NodeProto } from './onnx_pb.ts';

/**
 * Removes the nodes, initializers and inputs of a graph that none of its outputs depends on. ONNX Runtime would compute
 * them, and copy such an input from the device to the host: in a graph that computes a forward pass again for the sake of
 * gradients, they are what only the forward pass's result needed.
 */
export function removeUnused(graph: GraphProto): void {
  const needed = new Set(graph.output.map(({ name }) => name));
  const nodes: NodeProto[] = [];
  for (const node of graph.node.toReversed()) {
    if (!node.output.some((output) => needed.has(output))) continue;
    nodes.unshift(node);
    for (const name of namesRead(node)) needed.add(name);
  }
  graph.node = nodes;
  graph.input = graph.input.filter(({ name }) => needed.has(name));
  graph.initializer = graph.initializer.filter(({ name }) => needed.has(name));
}

/** Inputs, and whatever its sub-graphs read, some of which may be of the outer graph. */
function namesRead({ input, attribute }: NodeProto): string[] {
  const bodies = attribute.flatMap(({ g }) => (g ? g.node.flatMap(namesRead) : []));
  return [...input, ...bodies];
}
