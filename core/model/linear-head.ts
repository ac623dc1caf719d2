import type { HeadConfig } from '../config/config.ts';
import type { GraphBuilder, Value } from '../onnx/graph.ts';
import type { WeightLoader } from './weights.ts';

/**
 * The linear probe: BatchNorm with running statistics, then a 1×1 convolution.
 *
 * @param feature `[B, C, h, w]` float32
 * @returns logits `[B, classes, h, w]` float32
 * @see InternVL `segmentation/mmseg_custom/models/decode_heads/fcn_head.py` with num_convs=0
 */
export function linearHead(
  graph: GraphBuilder,
  weights: WeightLoader,
  head: HeadConfig,
  feature: Value,
): Value {
  const load = (key: string) => weights(graph, `decode_head.${key}`, 'float32');
  const normalised = graph.node(
    'BatchNormalization',
    [feature, load('norm.weight'), load('norm.bias'), load('norm.running_mean'), load('norm.running_var')],
    { epsilon: { float: head.batchNormEps } },
    'head_bn',
  );
  return graph.node('Conv', [normalised, load('conv_seg.weight'), load('conv_seg.bias')], {}, 'head_logits');
}
