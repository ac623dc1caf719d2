import { BadData } from '../config/failures.ts';

/** How often a graph or a function calls each operator or function, by `domain::name`. */
export type FunctionCalls = Map<string, number>;

/**
 * Checks what a graph becomes when its functions are put in place, as ONNX Runtime does when it opens a model: thirty
 * functions that call each other twice become 2^30 nodes.
 *
 * @throws BadData if a function calls itself, or there are too many nodes
 */
export function checkExpansion(
  graph: FunctionCalls,
  functions: ReadonlyMap<string, FunctionCalls>,
  maxNodes: number,
): void {
  const sizes = new Map<string, number>();
  const open = new Set<string>();

  function sizeOf(calls: FunctionCalls): number {
    let nodes = 0;
    for (const [callee, times] of calls) nodes += times * sizeOfCall(callee);
    if (nodes > maxNodes)
      throw new BadData(`more than ${maxNodes} nodes once its functions are put in place`);
    return nodes;
  }

  function sizeOfCall(callee: string): number {
    const calls = functions.get(callee);
    if (!calls) return 1;
    const known = sizes.get(callee);
    if (known !== undefined) return known;
    if (open.has(callee)) throw new BadData(`the function ${callee} calls itself`);
    open.add(callee);
    const size = sizeOf(calls);
    open.delete(callee);
    sizes.set(callee, size);
    return size;
  }

  sizeOf(graph);
  for (const name of functions.keys()) sizeOfCall(name);
}
