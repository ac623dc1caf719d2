import type { DType } from '../../config/manifests.ts';
import type { GraphBuilder, Value } from '../../onnx/graph.ts';
import type { TensorSpec } from '../tensor-spec.ts';
import { type TensorLoader, type WeightLoader, weightLoader } from '../weights.ts';

/**
 * A stage's tensors as inputs of its graph, so that one graph serves all blocks and follows every optimizer step.
 *
 * @param dtype type of the inputs: what the graph computes in
 * @param constants tensors that no optimizer changes and a graph is built with, such as a rotary embedding's periods
 */
export function inputWeights(
  specs: TensorSpec[],
  dtype: DType,
  constants: ReadonlyMap<string, Float32Array> = new Map(),
): WeightLoader {
  const shapes = new Map(specs.map(({ name, shape }) => [name, shape]));
  const load: TensorLoader = (graph, name, wanted, shape) => {
    const stored = shapes.get(name);
    if (!stored) throw new Error(`${name} is no tensor of this stage`);
    const input = graph.input(name, dtype, stored);
    const value = wanted === dtype ? input : graph.cast(input, wanted);
    return shape ? graph.reshape(value, shape) : value;
  };
  return weightLoader(load, {
    has: (name) => shapes.has(name) || constants.has(name),
    floats: (name) => constants.get(name)!,
  });
}

/** Adds the gradient of each named input as an output, float32. */
export function outputGradients(
  graph: GraphBuilder,
  specs: TensorSpec[],
  gradients: Value[],
  name: (parameter: string) => string,
): void {
  for (const [i, spec] of specs.entries()) {
    const gradient = gradients[i]!;
    // ONNX Runtime removes an Identity, where a Cast from float32 to float32 is a copy.
    const output =
      graph.typeOf(gradient) === 'float32'
        ? graph.node('Identity', [gradient], {}, name(spec.name))
        : graph.cast(gradient, 'float32', name(spec.name));
    graph.output(output, 'float32', spec.shape);
  }
}
