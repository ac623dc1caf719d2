import type { BackboneConfig } from '../config/config.ts';
import type { DType } from '../config/manifests.ts';
import type { GraphBuilder, Value } from '../onnx/graph.ts';
import { gridSide } from './tensor-spec.ts';
import type { WeightLoader } from './weights.ts';

export interface BackboneContext {
  graph: GraphBuilder;
  weights: WeightLoader;
  backbone: BackboneConfig;
  /** Images of a batch. */
  batch: number;
  /** Arithmetic of the blocks. */
  dtype: DType;
}

/**
 * InternViT: normalised crops in, the taps' features out.
 *
 * Tokens are kept as `[B * N, C]`, since Gemm wants two dimensions and takes torch's `[out, in]`
 * weights as they lie in the file.
 *
 * @param image `[B, S, S, 3]` float32, normalised RGB
 * @returns one `[B, C, S / patch, S / patch]` float32 a tap
 * @see InternVL `segmentation/mmseg_custom/models/backbones/intern_vit_6b.py`
 */
export function internVit(ctx: BackboneContext, image: Value): Value[] {
  const { taps } = ctx.backbone;
  let x = embedding(ctx, image);
  const features: Value[] = [];
  for (let block = 0; block <= Math.max(...taps); block++) {
    x = transformerBlock(ctx, x, block);
    const tap = taps.indexOf(block);
    if (tap >= 0) features[tap] = tapFeature(ctx, x, tap);
  }
  return features;
}

/** What goes into the first block: `[B, S, S, 3]` float32 to tokens `[B * (1 + N), C]`. */
export function embedding(ctx: BackboneContext, image: Value): Value {
  const { imageSizePx, patchSizePx } = ctx.backbone;
  const side = gridSide(imageSizePx, patchSizePx);
  return tokens(ctx, patchEmbedding(ctx, image, side), side);
}

/** Tokens of an image: its patches and the class token. */
export function tokensPerImage({ imageSizePx, patchSizePx }: BackboneConfig): number {
  return gridSide(imageSizePx, patchSizePx) ** 2 + 1;
}

/** A block's output as a map without the class token, `[B, C, S / patch, S / patch]` float32, named `tap0` … */
export function tapFeature({ graph, backbone, batch }: BackboneContext, x: Value, tap: number): Value {
  const c = backbone.embedDim;
  const side = gridSide(backbone.imageSizePx, backbone.patchSizePx);
  const tokenCount = side * side + 1;
  const perImage = graph.reshape(x, [batch, tokenCount, c]);
  const bounds = [graph.ints([1]), graph.ints([tokenCount]), graph.ints([1])];
  const patches = graph.node('Slice', [perImage, ...bounds]);
  const map = graph.reshape(graph.transpose(patches, [0, 2, 1]), [batch, c, side, side]);
  return graph.cast(map, 'float32', `tap${tap}`);
}

/** A stride-p convolution of size p is one product: patches as rows, `[B * N, 3 p²]`. */
function patchEmbedding(
  { graph, weights, backbone, batch, dtype }: BackboneContext,
  image: Value,
  side: number,
): Value {
  const { patchSizePx: p, embedDim: c } = backbone;
  const split = graph.reshape(image, [batch, side, p, side, p, 3]);
  const rows = graph.reshape(graph.transpose(split, [0, 1, 3, 5, 2, 4]), [batch * side * side, 3 * p * p]);
  return graph.node(
    'Gemm',
    [
      graph.cast(rows, dtype),
      weights(graph, 'backbone.patch_embed.proj.weight', dtype, [c, 3 * p * p]),
      weights(graph, 'backbone.patch_embed.proj.bias', dtype),
    ],
    { transB: 1 },
    'patch_embed',
  );
}

/** Class token before the patches, position embedding added: `[B * (1 + N), C]`. */
function tokens(
  { graph, weights, backbone, batch, dtype }: BackboneContext,
  patches: Value,
  side: number,
): Value {
  const c = backbone.embedDim;
  const perImage = graph.reshape(patches, [batch, side * side, c]);
  const classToken = graph.node('Expand', [
    weights(graph, 'backbone.cls_token', dtype),
    graph.ints([batch, 1, c]),
  ]);
  const joined = graph.node('Concat', [classToken, perImage], { axis: 1 });
  const placed = graph.node('Add', [joined, weights(graph, 'backbone.pos_embed', dtype)]);
  return graph.reshape(placed, [batch * (side * side + 1), c], 'tokens_in');
}

/** One block: tokens `[B * (1 + N), C]` to tokens, named `block0_out` … */
export function transformerBlock(ctx: BackboneContext, x: Value, block: number): Value {
  const { graph, weights, dtype } = ctx;
  const at = `backbone.blocks.${block}`;
  const scaled = (branch: Value, gamma: string) =>
    graph.node('Mul', [branch, weights(graph, `${at}.${gamma}.gamma`, dtype)]);

  const attended = attention(ctx, rmsNorm(ctx, x, `${at}.norm1`, `b${block}_norm1`), block);
  const middle = graph.node('Add', [x, scaled(attended, 'ls1')]);
  const fed = mlp(ctx, rmsNorm(ctx, middle, `${at}.norm2`, `b${block}_norm2`), block);
  return graph.node('Add', [middle, scaled(fed, 'ls2')], {}, `block${block}_out`);
}

/** Root mean square in float32 whatever the blocks' type is (`stash_type` 1), then scaled by the weight. */
function rmsNorm(
  { graph, weights, backbone, dtype }: BackboneContext,
  x: Value,
  key: string,
  name: string,
): Value {
  const weight = weights(graph, `${key}.weight`, dtype);
  const attributes = { axis: -1, epsilon: { float: backbone.normEps }, stash_type: 1 };
  return graph.node('RMSNormalization', [x, weight], attributes, name);
}

/** Query and key are normalised over all channels, before they are split into heads. */
function attention(ctx: BackboneContext, x: Value, block: number): Value {
  const { graph, weights, backbone, batch, dtype } = ctx;
  const c = backbone.embedDim;
  const tokenCount = tokensPerImage(backbone);
  const at = `backbone.blocks.${block}.attn`;
  const qkv = graph.node('Gemm', [x, weights(graph, `${at}.qkv.weight`, dtype)], { transB: 1 });
  const parts = ['q', 'k', 'v'].map((part) => `b${block}_${part}`);
  const [q, k, v] = graph.nodes('Split', [qkv], { axis: 1, num_outputs: 3 }, parts) as [Value, Value, Value];
  const normalised = backbone.qkNormalization
    ? [
        rmsNorm(ctx, q, `${at}.q_norm`, `b${block}_q_norm`),
        rmsNorm(ctx, k, `${at}.k_norm`, `b${block}_k_norm`),
      ]
    : [q, k];
  const perImage = [...normalised, v].map((part) => graph.reshape(part, [batch, tokenCount, c]));
  const heads = { q_num_heads: backbone.heads, kv_num_heads: backbone.heads };
  const mixed = graph.reshape(graph.node('Attention', perImage, heads), [batch * tokenCount, c]);
  return linear(ctx, mixed, `${at}.proj`, `b${block}_attn`);
}

/**
 * The hidden layer's bias is an Add of its own, which ONNX Runtime joins with the Gelu behind it: on CUDA one kernel,
 * where Gemm's own bias would be a second product.
 */
function mlp(ctx: BackboneContext, x: Value, block: number): Value {
  const { graph, weights, dtype } = ctx;
  const at = `backbone.blocks.${block}.mlp`;
  const product = graph.node('Gemm', [x, weights(graph, `${at}.fc1.weight`, dtype)], { transB: 1 });
  const hidden = graph.node('Add', [product, weights(graph, `${at}.fc1.bias`, dtype)], {}, `b${block}_fc1`);
  return linear(ctx, graph.node('Gelu', [hidden]), `${at}.fc2`, `b${block}_mlp`);
}

function linear({ graph, weights, dtype }: BackboneContext, x: Value, key: string, name: string): Value {
  const inputs = [x, weights(graph, `${key}.weight`, dtype), weights(graph, `${key}.bias`, dtype)];
  return graph.node('Gemm', inputs, { transB: 1 }, name);
}
