import type { VitModel } from '../config/model-kinds.ts';
import type { GraphBuilder, Value } from '../onnx/graph.ts';
import { gridSide } from './backbone.ts';
import { HEADS } from './heads/all.ts';
import { auxiliaryGraph, auxiliarySpecs } from './heads/auxiliary.ts';
import type { HeadType, TapShape } from './heads/head-type.ts';
import type { HeadContext, TrainingPart } from './layers.ts';
import type { TensorSpec } from './tensor-spec.ts';
import type { TensorLoader } from './weights.ts';

/* What is asked of a model's heads by its config, whatever their kind. */

type Model = VitModel;

export function headType({ type }: Model['head']): HeadType {
  return HEADS[type];
}

/** What the head sees of the backbone. */
export function tapShape({ backbone }: Pick<Model, 'backbone'>): TapShape {
  return { embedDim: backbone.embedDim, taps: backbone.taps.length, grid: gridSide(backbone) };
}

/** What a model's heads read from its checkpoints, the neck that feeds them included. */
export function headSpecs(model: Model): TensorSpec[] {
  const { head, auxiliaryHead: auxiliary } = model;
  const { neck, specs } = headType(head);
  const shape = tapShape(model);
  const main = [...(neck?.specs(shape) ?? []), ...specs(head, shape)];
  return auxiliary ? [...main, ...auxiliarySpecs(auxiliary, shape.embedDim)] : main;
}

/** Name here of a head's tensor in a checkpoint; null for one that belongs to no head. */
export function headName({ head }: Pick<Model, 'head'>, key: string): string | null {
  const rename = headType(head).renames.find(([pattern]) => pattern.test(key));
  if (rename) return key.replace(...rename);
  return /^(decode_head|auxiliary_head)\./.test(key) ? key : null;
}

/** The model that an evaluation runs, needs weights for, and fetches: an auxiliary head is for training only. */
export function evaluatedModel({ auxiliaryHead: _, ...model }: Model): Model {
  return model;
}

/** Whether a tensor is trained by its gradient, and not a running statistic. */
export function isParameter({ name }: { name: string }): boolean {
  return !/\.running_(mean|var)$/.test(name);
}

/** What an optimizer changes: everything that the heads read but BatchNorm's running statistics. */
export function parameterSpecs(model: Model): TensorSpec[] {
  return headSpecs(model).filter(isParameter);
}

export function runningSpecs(model: Model): TensorSpec[] {
  return headSpecs(model).filter((spec) => !isParameter(spec));
}

/** Side of a crop's logits. */
export function logitsSide({ backbone, head }: Model): number {
  return headType(head).logitsSide(gridSide(backbone));
}

/** Sides of the maps that a head sees, from fine to coarse. */
export function levelSides({ backbone, head }: Pick<Model, 'backbone' | 'head'>): number[] {
  const grid = gridSide(backbone);
  return headType(head).neck?.sides(grid) ?? backbone.taps.map(() => grid);
}

/** Puts a model's heads on its taps: their levels, and what is made of those. */
export function buildHead(
  graph: GraphBuilder,
  weights: TensorLoader,
  model: Model,
  batch: number,
  taps: Value[],
  training?: TrainingPart,
): Logits {
  const levels = headLevels(graph, weights, model, batch, taps, training);
  return headLogits(graph, weights, model, batch, levels, training);
}

/**
 * The heads up to where their levels join.
 *
 * @param taps each `[B, C, grid, grid]` float32
 * @param training absent in a test
 * @returns what the main head's `graph` takes, and last the auxiliary head's map, where there is one: `[B, C, h, w]` float32
 */
export function headLevels(
  graph: GraphBuilder,
  weights: TensorLoader,
  model: Model,
  batch: number,
  taps: Value[],
  training?: TrainingPart,
): Value[] {
  const { head, auxiliaryHead: auxiliary } = model;
  const type = headType(head);
  const ctx = contextOf(graph, weights, model, training);
  const maps = type.neck?.graph(graph, weights, taps) ?? taps;
  const levels = type.levels?.(ctx, head, { ...tapShape(model), batch }, maps) ?? maps;
  return auxiliary ? [...levels, maps[auxiliary.level]!] : levels;
}

export interface Logits {
  /** `[B, classes, logitsSide, logitsSide]` float32, named `head_logits`. */
  logits: Value;
  /** The auxiliary head's, where there is one: `[B, classes, side of its level, …]`, named `aux_logits`. */
  auxiliary?: Value;
}

/** @param levels of `headLevels` */
export function headLogits(
  graph: GraphBuilder,
  weights: TensorLoader,
  model: Model,
  batch: number,
  levels: Value[],
  training?: TrainingPart,
): Logits {
  const { head, auxiliaryHead } = model;
  const ctx = contextOf(graph, weights, model, training);
  const own = auxiliaryHead ? levels.slice(0, -1) : levels;
  const auxiliary = auxiliaryHead ? auxiliaryGraph(ctx, levels.at(-1)!) : undefined;
  const logits = headType(head).graph(ctx, head, { ...tapShape(model), batch }, own);
  return auxiliary ? { logits, auxiliary } : { logits };
}

function contextOf(
  graph: GraphBuilder,
  weights: TensorLoader,
  { head: { batchNormEps } }: Model,
  training: TrainingPart | undefined,
): HeadContext {
  return { graph, weights, batchNormEps, ...(training ? { training } : {}) };
}
