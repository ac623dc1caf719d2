import { elementCount, ITEM_BYTES } from '../checkpoint/dtypes.ts';
import type { Config } from '../config/config.ts';
import { backboneSpecs, tokensPerImage, vitOf } from '../model/backbone.ts';
import { type ChainConfig, type ChainPlan, chainSpecs, planChain } from '../model/chain/chain-plan.ts';
import {
  ARENA,
  BESIDE,
  cropOfBlock,
  elements,
  headStepBytes,
  largestElements,
  SPREAD,
} from '../model/device-memory.ts';
import { headSpecs } from '../model/head.ts';
import type { TensorSpec } from '../model/tensor-spec.ts';
import { isTrained } from './trainable.ts';

/*
 * What a training takes of its GPU and of its host, in bytes: tensors are counted, the values inside of a stage are
 * estimated as in device-memory.ts: the sum is what ONNX Runtime's arenas were counted to take on the fake CUDA, or up to
 * a quarter more (docs/operations.md, test/cuda). All sessions of a training share an arena: what is there in turn counts
 * once, but for gaps.
 */

/** Where parameters and moments lie. */
export type StatePlace = 'device' | 'host';

export interface MemoryPart {
  what: string;
  bytes: number;
}

/** Parts that are there at the same time. */
export interface TrainingMemory {
  device: MemoryPart[];
  host: MemoryPart[];
}

/** AdamW's, of a parameter. */
const MOMENTS = 2;
/** Times a block's width: its values, computed again for the backward pass, and their gradients that are alive at once. */
const WIDTHS = 17;
/** The same for the hidden layers of its feed-forward part. */
const HIDDENS = { gelu: 4, swiglu: 7 };
/** Maps of tokens × tokens that attention's backward pass holds at once, for all heads of one crop. */
const MAPS = 4;
/** Times a crop's tokens: the embedding's values. */
const EMBEDDINGS = 10;
/** Values of a tensor that AdamW's graph holds at once, float32. */
const UPDATED = 7;
/** What the sessions of a chain take of their arena besides what is listed. */
const SMALL = 0.5e9;
/** Handles and workspaces of a trained backbone's sessions, as seen on an H200 (docs/benchmarks.md). */
const HANDLES = 2e9;

/** What a training takes with its parameters and moments in either place. */
export function trainingMemory(config: ChainConfig, place: StatePlace): TrainingMemory {
  const { model, run, train } = config;
  const plan = planChain(config);
  const item = ITEM_BYTES[run.precision];
  const held = chainSpecs(config, plan);
  const inHeads = new Set(headSpecs(model).map(({ name }) => name));
  const inBackbone = held.filter(({ name }) => !inHeads.has(name));
  const trained = held.filter(({ name }) => isTrained(config, name));
  const names = new Set(held.map(({ name }) => name));
  const frozen = backboneSpecs(model).filter(({ name }) => !names.has(name));
  const parameters = {
    what: 'parameters and moments',
    bytes: ITEM_BYTES.float32 * (elements(held) + MOMENTS * elements(trained)),
  };
  // Heads and pyramid compute in float32, with the parameters themselves.
  const copies = run.precision === 'float32' ? 0 : item * elements(inBackbone);
  const copied = { what: `copies in ${run.precision}`, bytes: copies };
  const common = [
    { what: 'frozen weights', bytes: item * elements(frozen) },
    { what: 'tokens between stages', bytes: tokensOf(config, plan) },
    { what: `frozen stretch of ${plan.group} crops`, bytes: stretchBytes(config, plan) },
    { what: 'libraries and arenas', bytes: besideChain(plan) + SMALL },
  ];
  const stages = {
    what: `stages of ${plan.group} crops`,
    bytes: plan.group * cropOfStages(config, plan) + mapsOf(config, plan) + gradientsOf(plan),
  };
  const heads = { what: `heads of ${train.batch} crops`, bytes: headStepBytes(model, train.batch) };
  if (place === 'device') {
    const updated = { what: "the optimizer's values", bytes: updatedBytes(config, trained) };
    return {
      device: present([parameters, copied, ...common, ...inTurn([stages, heads, updated], run)]),
      host: [],
    };
  }
  const kinds = [...new Set(plan.stages.map(({ kind }) => kind))].flatMap((kind) => plan.specs[kind]);
  const weights = {
    what: 'weights of a stage of each kind',
    bytes:
      ITEM_BYTES.float32 * elements(held.filter(({ name }) => inHeads.has(name))) + item * elements(kinds),
  };
  const down = { what: 'a gradient', bytes: ITEM_BYTES.float32 * largestElements(trained) };
  return {
    device: present([weights, ...common, ...inTurn([stages, heads], run)]),
    host: present([parameters, copied, down]),
  };
}

/**
 * What is there in turn, in one arena: the largest, and the next one for gaps, since its values have other sizes. The counted
 * sums lie between. On a CPU each session has an arena of its own.
 */
function inTurn(parts: MemoryPart[], { device }: Pick<Config['run'], 'device'>): MemoryPart[] {
  return device === 'cpu' ? parts : parts.toSorted((a, b) => b.bytes - a.bytes).slice(0, 2);
}

/** What a chain takes of its GPU that is not its arena's. */
export function besideChain({ stages }: Pick<ChainPlan, 'stages'>): number {
  return BESIDE + (stages.length > 0 ? HANDLES : 0);
}

/** Of the GPU of a planned training's worker. */
export function trainerBytes(config: ChainConfig & { run: Pick<Config['run'], 'state'> }): number {
  return sumOf(trainingMemory(config, config.run.state === 'host' ? 'host' : 'device').device);
}

/** Bytes of parts. */
export function sumOf(parts: MemoryPart[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * What stays of a step from the forward pass to the backward pass: what the frozen stretch gives, the output of each
 * stage, and the gradients of the taps.
 */
function tokensOf({ model, train }: ChainConfig, { stages, inputs, dtype }: ChainPlan): number {
  const given = inputs.reduce(
    (sum, { kind, shape }) => sum + elementCount(shape) * ITEM_BYTES[kind === 'tokens' ? dtype : 'float32'],
    0,
  );
  const blocks = new Set(stages.map(({ block }) => block));
  const taps = model.backbone.taps.filter((tap) => blocks.has(tap));
  const tokens = tokensPerImage(model.backbone) * model.backbone.embedDim * ITEM_BYTES[dtype];
  return train.batch * (given + (stages.length + taps.length) * tokens);
}

/** Of a block and of the embedding, as deep as the sum over groups is: float32. */
function gradientsOf({ stages, specs, groups }: ChainPlan): number {
  const levels = 1 + Math.ceil(Math.log2(groups));
  const kinds = (['embedding', 'block'] as const).flatMap((kind) =>
    specs[kind].filter((_, i) => stages.some((stage) => stage.kind === kind && stage.trained[i])),
  );
  return ITEM_BYTES.float32 * levels * elements(kinds);
}

/** Values inside of a trained stage for a crop: the block's, computed again and backward, or the embedding's. */
function cropOfStages({ model, run }: ChainConfig, plan: ChainPlan): number {
  if (plan.stages.length === 0) return 0;
  const { embedDim, ffn } = vitOf(model.backbone);
  const token = tokensPerImage(model.backbone) * ITEM_BYTES[run.precision];
  const block = SPREAD * (WIDTHS * embedDim + HIDDENS[ffn.type] * ffn.hidden);
  return token * Math.max(block, EMBEDDINGS * embedDim);
}

/** Values of the frozen stretch: its session has an arena of its own, beside the chain's. */
function stretchBytes({ model, run }: ChainConfig, plan: ChainPlan): number {
  return hasFrozenStretch(plan) ? ARENA + plan.group * cropOfBlock(model, run) : 0;
}

/** Whether some of the backbone is computed forward only, in a session of its own. */
function hasFrozenStretch({ inputs }: ChainPlan): boolean {
  return inputs[0]!.kind !== 'images';
}

/** Of the largest tensor, in AdamW's session. A CPU updates pieces. */
function updatedBytes({ run }: ChainConfig, trained: TensorSpec[]): number {
  if (run.device === 'cpu') return 0;
  return UPDATED * ITEM_BYTES.float32 * largestElements(trained);
}

function mapsOf({ model: { backbone }, run }: ChainConfig, { stages }: ChainPlan): number {
  if (stages.length === 0) return 0;
  return MAPS * ITEM_BYTES[run.precision] * backbone.heads * tokensPerImage(backbone) ** 2;
}

function present(parts: MemoryPart[]): MemoryPart[] {
  return parts.filter(({ bytes }) => bytes > 0);
}
