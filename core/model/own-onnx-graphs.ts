import type { Config } from '../config/config.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import type { OwnModelPlan } from './own-onnx.ts';
import { CROPS, LOGITS, normalize } from './segmenter-graph.ts';

/** Names within the two graphs around a model of one's own. */
export const MODEL_INPUT = 'model_input';
export const MODEL_OUTPUT = 'model_output';

/**
 * What goes before a model of one's own: bytes in, its input out.
 *
 * Input `crops` `[B, S, S, 3]` uint8 RGB; output `model_input` in the model's type, layout and order of channels,
 * normalised by the config's pipeline, whose mean and std are those of RGB.
 */
export function inputGraph({ input }: OwnModelPlan, pipeline: Config['pipeline'], batch: number): Uint8Array {
  const { dtype, layout, channels, sizePx } = input;
  const graph = new GraphBuilder('input');
  const crops = graph.input(CROPS, 'uint8', [batch, sizePx, sizePx, 3]);
  const normalized = dtype === 'uint8' ? crops : normalize(graph, crops, pipeline);
  const ordered =
    channels === 'RGB' ? normalized : graph.node('Gather', [normalized, graph.ints([2, 1, 0])], { axis: 3 });
  const placed = layout === 'NHWC' ? ordered : graph.transpose(ordered, [0, 3, 1, 2]);
  const typed = dtype === 'float16' ? graph.cast(placed, 'float16') : placed;
  const shape = layout === 'NHWC' ? [batch, sizePx, sizePx, 3] : [batch, 3, sizePx, sizePx];
  graph.output(graph.node('Identity', [typed], {}, MODEL_INPUT), dtype, shape);
  return graph.toBytes();
}

/**
 * What comes after it: its output in, `head_logits` `[B, classes, side, side]` float32 out, as our own graphs give them.
 *
 * @returns null where the model's output is that already
 */
export function outputGraph({ output, classes }: OwnModelPlan, batch: number): Uint8Array | null {
  const { dtype, layout, sidePx } = output;
  if (dtype === 'float32' && layout === 'NCHW') return null;
  const graph = new GraphBuilder('output');
  const shape = layout === 'NHWC' ? [batch, sidePx, sidePx, classes] : [batch, classes, sidePx, sidePx];
  const given = graph.input(MODEL_OUTPUT, dtype, shape);
  const placed = layout === 'NHWC' ? graph.transpose(given, [0, 3, 1, 2]) : given;
  graph.output(graph.cast(placed, 'float32', LOGITS), 'float32', [batch, classes, sidePx, sidePx]);
  return graph.toBytes();
}
