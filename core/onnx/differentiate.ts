import { GRADIENTS, HAS_SEVERAL_OUTPUTS } from './gradients/all.ts';
import { castTo, zeros } from './gradients/rule.ts';
import type { Call, GraphBuilder, Value } from './graph.ts';
import { inferShapes } from './shapes.ts';

/**
 * Adds the nodes that compute the gradients of a loss to a graph: reverse mode, from the outputs to the inputs.
 *
 * @param seeds values that the loss depends on, each with the gradient of the loss with respect to it
 * @param wanted values whose gradients are requested; no other gradient is computed unless one of these needs it
 * @returns the gradients, in the order of `wanted`: of the value's type, or float32 where it is a sum over many elements
 * @throws if an operator has no gradient rule (the message names it), or the loss does not depend on a wanted value
 */
export function differentiate(graph: GraphBuilder, seeds: [Value, Value][], wanted: Value[]): Value[] {
  const calls = [...graph.calls];
  const shape = inferShapes(graph);
  const matters = dependents(calls, wanted);
  const gradients = new Map<Value, Value>();
  const add = (value: Value, part: Value) => {
    const sum = gradients.get(value);
    gradients.set(value, sum ? sumOf(graph, sum, part) : part);
  };
  for (const [value, gradient] of seeds) add(value, gradient);
  const computed = new Set(calls.flatMap(({ outputs }) => outputs));
  const ofInputs: (() => void)[] = [];

  for (const call of calls.reverse()) {
    if (!call.inputs.some((input) => matters.has(input))) continue;
    const outputGrads = call.outputs.map((output) => {
      const gradient = gradients.get(output);
      return gradient && castTo(graph, gradient, graph.typeOf(output));
    });
    if (outputGrads.every((gradient) => !gradient)) continue;
    const rule = GRADIENTS[call.op];
    if (!rule) throw new Error(`${call.op} (${call.outputs[0]}): no rule for its gradient`);
    const dy = outputGrads[0] ?? zeros(graph, shape(call.outputs[0]!), graph.typeOf(call.outputs[0]!));
    const other = outputGrads.slice(1).findIndex(Boolean);
    if (other >= 0 && !HAS_SEVERAL_OUTPUTS.has(call.op))
      throw new Error(`${call.op}: no rule for the gradient of its output ${call.outputs[1 + other]}`);
    const parts = rule({ graph, call, dy, outputGrads, shape });
    for (const [i, input] of call.inputs.entries()) {
      const part = parts[i];
      if (!part || !matters.has(input)) continue;
      if (computed.has(input)) add(input, part());
      else ofInputs.push(() => add(input, part()));
    }
  }
  // ONNX Runtime begins with the last node that nothing depends on. So a weight's gradient comes before those of the layers
  // below, and what it needs is not kept until they are done.
  for (const addPart of ofInputs.reverse()) addPart();
  return wanted.map((value) => {
    const gradient = gradients.get(value);
    if (!gradient) throw new Error(`${value} plays no part in the loss`);
    return gradient;
  });
}

/** The sum of two gradients of a value; float32 if one of them is. */
function sumOf(graph: GraphBuilder, a: Value, b: Value): Value {
  if (graph.typeOf(a) === graph.typeOf(b)) return graph.node('Add', [a, b]);
  return graph.node('Add', [castTo(graph, a, 'float32'), castTo(graph, b, 'float32')]);
}

/** Values that depend on one of `wanted`. */
function dependents(calls: Call[], wanted: Value[]): Set<Value> {
  const found = new Set(wanted);
  for (const { inputs, outputs } of calls)
    if (inputs.some((input) => found.has(input))) for (const output of outputs) found.add(output);
  return found;
}
