import { elementCount, ITEM_BYTES } from '../checkpoint/dtypes.ts';
import type { Config } from '../config/config.ts';
import { backboneSpecs, tokensPerImage, vitOf } from '../model/backbone.ts';
import { type ChainConfig, type ChainPlan, chainSpecs, planChain } from '../model/chain/chain-plan.ts';
import { ARENA, BESIDE, cropOfBlock, elements, headStepBytes, SPREAD } from '../model/device-memory.ts';
import { headSpecs } from '../model/head.ts';
import type { TensorSpec } from '../model/tensor-spec.ts';
import { isTrained } from './trainable.ts';

/*
 * What a training takes of its GPU and of its host, in bytes: tensors are counted, the values inside of a stage are
 * estimated as in device-memory.ts. Nothing here was measured on a GPU.
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

/** Of sessions that are open at once: that of blocks, and that of heads. */
const ARENAS = 2;

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
  const gradients = gradientsOf(
    plan,
    trained.filter(({ name }) => inHeads.has(name)),
  );
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
    {
      what: `a block of ${plan.group} crops`,
      bytes: plan.group * cropOfStages(config, plan) + mapsOf(config, plan),
    },
    { what: `heads of ${train.batch} crops`, bytes: headStepBytes(model, train.batch) },
    { what: 'gradients of a stage', bytes: gradients },
    { what: 'libraries and arenas', bytes: BESIDE + ARENAS * ARENA },
  ];
  if (place === 'device') return { device: present([parameters, copied, ...common]), host: [] };
  const kinds = [...new Set(plan.stages.map(({ kind }) => kind))].flatMap((kind) => plan.specs[kind]);
  const heads = held.filter(({ name }) => inHeads.has(name));
  const stages = {
    what: 'weights of a stage of each kind',
    bytes: ITEM_BYTES.float32 * elements(heads) + item * elements(kinds),
  };
  const down = { what: 'gradients of a stage', bytes: gradients };
  return { device: present([stages, ...common]), host: present([parameters, copied, down]) };
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

/** Of a block, of the embedding, as deep as the sum over groups is, and of the heads: float32. */
function gradientsOf({ stages, specs, groups }: ChainPlan, heads: TensorSpec[]): number {
  const levels = 1 + Math.ceil(Math.log2(groups));
  const kinds = (['embedding', 'block'] as const).flatMap((kind) =>
    specs[kind].filter((_, i) => stages.some((stage) => stage.kind === kind && stage.trained[i])),
  );
  return ITEM_BYTES.float32 * (levels * elements(kinds) + elements(heads));
}

/** Values inside of a block for a crop: forward and backward where one trains, else forward only. */
function cropOfStages({ model, run }: ChainConfig, { stages }: ChainPlan): number {
  if (stages.length === 0) return cropOfBlock(model, run);
  const { embedDim, ffn } = vitOf(model.backbone);
  const values = WIDTHS * embedDim + HIDDENS[ffn.type] * ffn.hidden;
  return SPREAD * tokensPerImage(model.backbone) * ITEM_BYTES[run.precision] * values;
}

function mapsOf({ model: { backbone }, run }: ChainConfig, { stages }: ChainPlan): number {
  if (stages.length === 0) return 0;
  return MAPS * ITEM_BYTES[run.precision] * backbone.heads * tokensPerImage(backbone) ** 2;
}

function present(parts: MemoryPart[]): MemoryPart[] {
  return parts.filter(({ bytes }) => bytes > 0);
}
