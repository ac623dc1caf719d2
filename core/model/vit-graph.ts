import type { DType } from '../config/manifests.ts';
import type { GraphBuilder, Value } from '../onnx/graph.ts';
import { scaledLinear } from '../onnx/scaled-linear.ts';
import { addRotary, rotaryTables } from './rotary-embedding.ts';
import { type Grid, patchesAlong, prefixTokens, type Vit } from './vit.ts';
import { POSITION_EMBEDDING } from './vit-tensors.ts';
import type { WeightLoader } from './weights.ts';

export interface VitContext {
  graph: GraphBuilder;
  weights: WeightLoader;
  vit: Vit;
  /** Images of a batch. */
  batch: number;
  /** Arithmetic of the blocks. */
  dtype: DType;
  /** Of an input that isn't the config's square crop: its size, pixels. */
  image?: { heightPx: number; widthPx: number };
  /** In training, stochastic depth: what each image's branch is multiplied by, `[B]` float32: 0, or 1 / (1 − rate). */
  dropPath?: { attention: Value; mlp: Value };
}

/**
 * A vision transformer: normalised crops in, the taps' features out.
 *
 * Tokens are kept as `[B * N, C]`, since Gemm wants two dimensions and takes torch's `[out, in]`
 * weights as they lie in the file.
 *
 * @param image `[B, H, W, 3]` float32, normalised RGB
 * @returns one `[B, C, H / patch, W / patch]` float32 a tap
 * @see the sources of the families, core/model/families
 */
export function vitFeatures(ctx: VitContext, image: Value): Value[] {
  const { taps } = ctx.vit;
  let x = embedding(ctx, image);
  const features: Value[] = [];
  for (let block = 0; block <= Math.max(...taps); block++) {
    x = transformerBlock(ctx, x, block);
    const tap = taps.indexOf(block);
    if (tap >= 0) features[tap] = tapFeature(ctx, x, tap);
  }
  return features;
}

/** What goes into the first block: `[B, H, W, 3]` float32 to tokens `[B * N, C]`, named `tokens_in`. */
export function embedding(ctx: VitContext, image: Value): Value {
  return tokens(ctx, patchEmbedding(ctx, wholePatches(ctx, image)));
}

/** A block's output as a map of the patches, `[B, C, H / patch, W / patch]` float32, named `tap0` … */
export function tapFeature(ctx: VitContext, x: Value, tap: number): Value {
  const { graph, vit, batch } = ctx;
  const { rows, columns } = gridOf(ctx);
  const tokenCount = rows * columns + prefixTokens(vit);
  const normed = vit.finalNorm ? norm(ctx, x, 'backbone.norm', `tap${tap}_norm`) : x;
  const perImage = graph.reshape(normed, [batch, tokenCount, vit.embedDim]);
  const bounds = [graph.ints([prefixTokens(vit)]), graph.ints([tokenCount]), graph.ints([1])];
  const patches = graph.node('Slice', [perImage, ...bounds]);
  const map = graph.reshape(graph.transpose(patches, [0, 2, 1]), [batch, vit.embedDim, rows, columns]);
  return graph.cast(map, 'float32', `tap${tap}`);
}

function sizeOf({ vit, image }: VitContext): { heightPx: number; widthPx: number } {
  return image ?? { heightPx: vit.imageSizePx, widthPx: vit.imageSizePx };
}

function gridOf(ctx: VitContext): Grid {
  const { heightPx, widthPx } = sizeOf(ctx);
  return { rows: patchesAlong(heightPx, ctx.vit), columns: patchesAlong(widthPx, ctx.vit) };
}

/** The image with no pixel beside a whole patch: padded with zeros, half of them before, or without its last pixels. */
function wholePatches(ctx: VitContext, image: Value): Value {
  const { graph, vit } = ctx;
  const { heightPx, widthPx } = sizeOf(ctx);
  const { rows, columns } = gridOf(ctx);
  const extra = [rows * vit.patchSizePx - heightPx, columns * vit.patchSizePx - widthPx] as const;
  if (extra[0] === 0 && extra[1] === 0) return image;
  if (vit.partialPatch === 'pad') {
    const before = extra.map((pixels) => Math.floor(pixels / 2));
    const after = extra.map((pixels) => Math.ceil(pixels / 2));
    return graph.node('Pad', [image, graph.ints([0, ...before, 0, 0, ...after, 0])], { mode: 'constant' });
  }
  const ends = graph.ints([heightPx + extra[0], widthPx + extra[1]]);
  return graph.node('Slice', [image, graph.ints([0, 0]), ends, graph.ints([1, 2])]);
}

/** A stride-p convolution of size p is one product: patches as rows, `[B * rows * columns, 3 p²]`. */
function patchEmbedding(ctx: VitContext, image: Value): Value {
  const { graph, weights, vit, batch, dtype } = ctx;
  const { patchSizePx: p, embedDim: c } = vit;
  const { rows, columns } = gridOf(ctx);
  const split = graph.reshape(image, [batch, rows, p, columns, p, 3]);
  const patches = graph.reshape(graph.transpose(split, [0, 1, 3, 5, 2, 4]), [
    batch * rows * columns,
    3 * p * p,
  ]);
  return graph.node(
    'Gemm',
    [
      graph.cast(patches, dtype),
      weights(graph, 'backbone.patch_embed.proj.weight', dtype, [c, 3 * p * p]),
      weights(graph, 'backbone.patch_embed.proj.bias', dtype),
    ],
    { transB: 1 },
    'patch_embed',
  );
}

/** Class token and registers before the patches, a learned position embedding added: `[B * N, C]`. */
function tokens(ctx: VitContext, patches: Value): Value {
  const { graph, weights, vit, batch, dtype } = ctx;
  const { embedDim: c, registers, position } = vit;
  const { rows, columns } = gridOf(ctx);
  const perImage = graph.reshape(patches, [batch, rows * columns, c]);
  const spread = (name: string, count: number) =>
    graph.node('Expand', [weights(graph, name, dtype), graph.ints([batch, count, c])]);
  const prefix = [spread('backbone.cls_token', 1)];
  if (registers > 0) prefix.push(spread('backbone.register_tokens', registers));
  const joined = graph.node('Concat', [...prefix, perImage], { axis: 1 });
  const shape = [batch * (rows * columns + prefixTokens(vit)), c];
  if (position.type === 'rotary') return graph.reshape(joined, shape, 'tokens_in');
  const placed = graph.node('Add', [joined, positionEmbedding(ctx)]);
  return graph.reshape(placed, shape, 'tokens_in');
}

/** Learned positions of all tokens, `[1, N, C]`. Where it is trained it has none for registers: zeros stand for theirs. */
function positionEmbedding(ctx: VitContext): Value {
  const { graph, weights, vit, dtype } = ctx;
  const { registers, embedDim: c } = vit;
  const { rows, columns } = gridOf(ctx);
  const whole = weights(graph, POSITION_EMBEDDING, dtype);
  const count = 1 + rows * columns;
  if (registers === 0 || graph.shapes.get(whole)?.[1] !== count) return whole;
  const part = (from: number, to: number) =>
    graph.node('Slice', [whole, graph.ints([from]), graph.ints([to]), graph.ints([1])]);
  const zeros = graph.node('Expand', [graph.cast(graph.scalar(0), dtype), graph.ints([1, registers, c])]);
  return graph.node('Concat', [part(0, 1), zeros, part(1, count)], { axis: 1 });
}

/** One block: tokens `[B * N, C]` to tokens, named `block0_out` … */
export function transformerBlock(ctx: VitContext, x: Value, block: number): Value {
  const { graph, weights, dtype, dropPath } = ctx;
  const at = `backbone.blocks.${block}`;
  const attended = attention(ctx, norm(ctx, x, `${at}.norm1`, `b${block}_norm1`), block);
  const scaled = graph.node('Mul', [attended, weights(graph, `${at}.ls1.gamma`, dtype)]);
  const middle = graph.node('Add', [x, dropped(ctx, scaled, dropPath?.attention)]);
  const fed = feedForward(ctx, norm(ctx, middle, `${at}.norm2`, `b${block}_norm2`), block);
  return graph.node('Add', [middle, dropped(ctx, fed, dropPath?.mlp)], {}, `block${block}_out`);
}

/** A branch times its image's multiplier, which is rounded to the blocks' type. @see timm 0.6 `DropPath` */
function dropped(ctx: VitContext, branch: Value, multiplier: Value | undefined): Value {
  if (!multiplier) return branch;
  const { graph, vit, batch, dtype } = ctx;
  const { rows, columns } = gridOf(ctx);
  const tokenCount = rows * columns + prefixTokens(vit);
  const perImage = graph.reshape(branch, [batch, tokenCount, vit.embedDim]);
  const factor = graph.cast(graph.reshape(multiplier, [batch, 1, 1]), dtype);
  const product = graph.node('Mul', [perImage, factor]);
  return graph.reshape(product, [batch * tokenCount, vit.embedDim]);
}

/** Statistics in float32 whatever the blocks' type is (`stash_type` 1), then scaled by the weight, LayerNorm's bias added. */
function norm({ graph, weights, vit, dtype }: VitContext, x: Value, key: string, name: string): Value {
  const { type, eps } = vit.norm;
  const attributes = { axis: -1, epsilon: { float: eps }, stash_type: 1 };
  const weight = weights(graph, `${key}.weight`, dtype);
  if (type === 'layer') {
    const bias = weights(graph, `${key}.bias`, dtype);
    return graph.node('LayerNormalization', [x, weight, bias], attributes, name);
  }
  return graph.node('RMSNormalization', [x, weight], attributes, name);
}

/** Query and key may be normalised over all channels, before they are split into heads, or rotated by position. */
function attention(ctx: VitContext, x: Value, block: number): Value {
  const { graph, weights, vit, batch, dtype } = ctx;
  const { embedDim: c, position } = vit;
  const { rows, columns } = gridOf(ctx);
  const tokenCount = rows * columns + prefixTokens(vit);
  const at = `backbone.blocks.${block}.attn`;
  const [q, k, v] = queryKeyValue(ctx, x, at, `b${block}`);
  const perImage = (part: Value) => graph.reshape(part, [batch, tokenCount, c]);
  const inPlace = (part: Value, name: 'q' | 'k') => {
    if (!vit.qkNorm) return perImage(part);
    // RMSNorm whatever the blocks' norm is: only InternViT-6B has it.
    const weight = weights(graph, `${at}.${name}_norm.weight`, dtype);
    const attributes = { axis: -1, epsilon: { float: vit.norm.eps }, stash_type: 1 };
    return perImage(graph.node('RMSNormalization', [part, weight], attributes, `b${block}_${name}_norm`));
  };
  const rotated = (part: Value) => {
    if (position.type !== 'rotary') return part;
    const tables = rotaryTables(ctx, position, { rows, columns });
    return addRotary(ctx, part, tables, tokenCount);
  };
  const inputs = [rotated(inPlace(q, 'q')), rotated(inPlace(k, 'k')), perImage(v)];
  const heads = { q_num_heads: vit.heads, kv_num_heads: vit.heads };
  const mixed = graph.reshape(graph.node('Attention', inputs, heads), [batch * tokenCount, c]);
  return linear(ctx, mixed, `${at}.proj`, `b${block}_attn`);
}

/** One product where a checkpoint holds the three matrices in one, else three. */
function queryKeyValue(ctx: VitContext, x: Value, at: string, name: string): [Value, Value, Value] {
  const { graph, weights, vit, dtype } = ctx;
  const product = (part: string, hasBias: boolean, output?: string) => {
    const inputs = [x, weights(graph, `${at}.${part}.weight`, dtype)];
    if (hasBias) inputs.push(weights(graph, `${at}.${part}.bias`, dtype));
    return graph.node('Gemm', inputs, { transB: 1 }, output);
  };
  if (weights.has(`${at}.qkv.weight`)) {
    const joint = product('qkv', vit.bias.q || vit.bias.k || vit.bias.v);
    const parts = ['q', 'k', 'v'].map((part) => `${name}_${part}`);
    return graph.nodes('Split', [joint], { axis: 1, num_outputs: 3 }, parts) as [Value, Value, Value];
  }
  const part = (key: 'q' | 'k' | 'v') => product(key, vit.bias[key], `${name}_${key}`);
  return [part('q'), part('k'), part('v')];
}

/**
 * The MLP and its LayerScale. The hidden layer's bias is an Add of its own, which ONNX Runtime joins with the Gelu behind
 * it: on CUDA one kernel, where Gemm's own bias would be a second product.
 */
function feedForward(ctx: VitContext, x: Value, block: number): Value {
  const { graph, weights, vit, dtype } = ctx;
  const at = `backbone.blocks.${block}.mlp`;
  const lastLayer = (hidden: Value, layer: string) => {
    const weight = weights(graph, `${at}.${layer}.weight`, dtype);
    const bias = weights(graph, `${at}.${layer}.bias`, dtype);
    const gamma = weights(graph, `backbone.blocks.${block}.ls2.gamma`, dtype);
    return scaledLinear(graph, hidden, { weight, bias, gamma }, `b${block}_mlp`);
  };
  if (vit.ffn.type === 'swiglu') return lastLayer(gated(ctx, x, at, `b${block}`), 'w3');
  const product = graph.node('Gemm', [x, weights(graph, `${at}.fc1.weight`, dtype)], { transB: 1 });
  const hidden = graph.node('Add', [product, weights(graph, `${at}.fc1.bias`, dtype)], {}, `b${block}_fc1`);
  return lastLayer(graph.node('Gelu', [hidden]), 'fc2');
}

/** SwiGLU: silu of the first product times the second one. @see Shazeer, arXiv 2002.05202 */
function gated(ctx: VitContext, x: Value, at: string, name: string): Value {
  const { graph, weights } = ctx;
  const isJoint = weights.has(`${at}.w12.weight`);
  const [gate, up] = isJoint
    ? graph.nodes('Split', [linear(ctx, x, `${at}.w12`)], { axis: 1, num_outputs: 2 }, [
        `${name}_gate`,
        `${name}_up`,
      ])
    : [linear(ctx, x, `${at}.w1`, `${name}_gate`), linear(ctx, x, `${at}.w2`, `${name}_up`)];
  const silu = graph.node('Mul', [gate!, graph.node('Sigmoid', [gate!])]);
  return graph.node('Mul', [silu, up!]);
}

function linear({ graph, weights, dtype }: VitContext, x: Value, key: string, name?: string): Value {
  const inputs = [x, weights(graph, `${key}.weight`, dtype), weights(graph, `${key}.bias`, dtype)];
  return graph.node('Gemm', inputs, { transB: 1 }, name);
}
