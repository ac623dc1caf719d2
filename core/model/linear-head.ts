import type { LinearHeadConfig } from '../config/config.ts';
import type { Value } from '../onnx/graph.ts';
import { batchNorm, batchNormSpecs, classify, type HeadContext } from './layers.ts';
import type { TensorSpec } from './tensor-spec.ts';

const AT = 'decode_head';

export function linearSpecs({ channels, classes }: LinearHeadConfig): TensorSpec[] {
  return [
    ...batchNormSpecs(`${AT}.norm`, channels),
    { name: `${AT}.conv_seg.weight`, shape: [classes, channels, 1, 1] },
    { name: `${AT}.conv_seg.bias`, shape: [classes] },
  ];
}

/**
 * The linear probe: BatchNorm with running statistics, then a 1×1 convolution.
 *
 * @param feature `[B, C, h, w]` float32
 * @returns logits `[B, classes, h, w]` float32
 * @see InternVL `segmentation/mmseg_custom/models/decode_heads/fcn_head.py` with num_convs=0
 */
export function linearHead(ctx: HeadContext, feature: Value): Value {
  return classify(ctx, batchNorm(ctx, feature, `${AT}.norm`, 'head_bn'), AT, 'head_logits');
}
