import type { BackboneConfig } from '../../config/config.ts';
import type { DType } from '../../config/manifests.ts';
import { differentiate } from '../../onnx/differentiate.ts';
import { GraphBuilder, type Value } from '../../onnx/graph.ts';
import { removeUnused } from '../../onnx/unused.ts';
import { backboneSpecs, blockOf, tokensPerImage, vitOf } from '../backbone.ts';
import { IMAGES } from '../features-graph.ts';
import type { TensorSpec } from '../tensor-spec.ts';
import { embedding, transformerBlock, type VitContext } from '../vit-graph.ts';
import { inputWeights, outputGradients } from './input-weights.ts';

/* The graphs of a trained backbone's stages, on a group of crops. Parameters are inputs: all blocks share a graph. */

/** Names of the stages' inputs and outputs that are not tensors of the model. */
export const TOKENS_IN = 'tokens';
export const TOKENS_OUT = 'next tokens';
export const TOKENS_OUT_GRAD = 'gradient of next tokens';
export const TOKENS_IN_GRAD = 'gradient of tokens';
export const DROP_PATH = { attention: 'drop path of attention', mlp: 'drop path of mlp' } as const;
export const gradientOutput = (parameter: string) => `gradient of ${parameter}`;

export interface BackboneStage {
  kind: 'embedding' | 'block';
  backbone: BackboneConfig;
  /** Crops of a group. */
  batch: number;
  /** What tokens are, and what the products are computed in. */
  dtype: DType;
  /** Tensors that the stage reads; a block's have the names of block 0. */
  specs: TensorSpec[];
  /** Whether a block's branches are dropped: then it has multipliers `[b]` float32 as inputs. */
  hasDropPath: boolean;
  constants?: ReadonlyMap<string, Float32Array>;
}

/**
 * A stage forward.
 *
 * Inputs: `images` `[b, S, S, 3]` float32, normalised RGB, or `tokens` `[b · N, C]`; the stage's tensors; with drop
 * path the multipliers of both branches. Output: `next tokens` `[b · N, C]`.
 *
 * @returns the ONNX model's bytes
 */
export function forwardGraph(stage: BackboneStage): Uint8Array {
  const { graph, output } = build(stage);
  graph.output(graph.node('Identity', [output], {}, TOKENS_OUT), stage.dtype, tokensShape(stage));
  return graph.toBytes();
}

/**
 * A stage backward: computes the inside again from the stage's input, so that nothing but that input was kept.
 *
 * Inputs: those of the forward graph that its outputs depend on, and `gradient of next tokens` `[b · N, C]`. Outputs:
 * `gradient of tokens`, if asked for, and the gradient of each trained parameter, float32, summed over the group.
 *
 * @see torch `checkpoint`, the original's `with_cp=True`
 */
export function backwardGraph(stage: BackboneStage, trained: TensorSpec[], wantsInput: boolean): Uint8Array {
  const { graph, input, output } = build(stage);
  const outputGrad = graph.input(TOKENS_OUT_GRAD, stage.dtype, tokensShape(stage));
  const parameters = trained.map(({ name }) => name as Value);
  const gradients = differentiate(
    graph,
    [[output, outputGrad]],
    wantsInput ? [...parameters, input] : parameters,
  );
  if (wantsInput) {
    const inputGrad = graph.node('Identity', [gradients.at(-1)!], {}, TOKENS_IN_GRAD);
    graph.output(inputGrad, stage.dtype, tokensShape(stage));
  }
  const changing = trained.map(({ name }, i) => withoutKeyBias(stage, graph, name, gradients[i]!));
  outputGradients(graph, trained, changing, gradientOutput);
  removeUnused(graph.proto);
  return graph.toBytes();
}

/** Tensors of a block, by the names of block 0. */
export function blockSpecs(backbone: BackboneConfig): TensorSpec[] {
  return backboneSpecs({ backbone }).filter(({ name }) => blockOf(name) === 0);
}

/** `[b · N, C]` */
export function tokensShape({
  backbone,
  batch,
}: Pick<BackboneStage, 'backbone' | 'batch'>): [number, number] {
  return [batch * tokensPerImage(backbone), backbone.embedDim];
}

/** A key that has no bias has zeros in the joint one, which are to stay zeros. */
function withoutKeyBias(
  { backbone }: BackboneStage,
  graph: GraphBuilder,
  name: string,
  gradient: Value,
): Value {
  const { bias, embedDim } = vitOf(backbone);
  if (bias.k || !name.endsWith('.attn.qkv.bias')) return gradient;
  const mask = new Float32Array(3 * embedDim).fill(1).fill(0, embedDim, 2 * embedDim);
  const isBias = graph.constant(`${name} mask`, 'float32', [3 * embedDim], mask);
  return graph.node('Mul', [graph.cast(gradient, 'float32'), isBias]);
}

function build(stage: BackboneStage): { graph: GraphBuilder; input: Value; output: Value } {
  const { kind, backbone, batch, dtype, specs, hasDropPath, constants } = stage;
  const graph = new GraphBuilder(kind);
  const weights = inputWeights(specs, dtype, constants);
  const ctx: VitContext = { graph, weights, vit: vitOf(backbone), batch, dtype };
  if (kind === 'embedding') {
    const size = backbone.imageSizePx;
    const images = graph.input(IMAGES, 'float32', [batch, size, size, 3]);
    return { graph, input: images, output: embedding(ctx, images) };
  }
  const tokens = graph.input(TOKENS_IN, dtype, tokensShape(stage));
  if (hasDropPath)
    ctx.dropPath = {
      attention: graph.input(DROP_PATH.attention, 'float32', [batch]),
      mlp: graph.input(DROP_PATH.mlp, 'float32', [batch]),
    };
  return { graph, input: tokens, output: transformerBlock(ctx, tokens, 0) };
}
