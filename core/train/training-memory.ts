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
 * estimated as in device-memory.ts: the sum is what ONNX Runtime's arenas were counted to take on the fake CUDA, or up to
 * a quarter more (docs/operations.md, test/cuda). Each session has an arena of its own, which gives nothing back. On an
 * H200 few-shot training took 103.6 GB where 103.2 were expected (docs/benchmarks.md).
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
/** Times a crop's tokens: the embedding's values, in its two sessions. */
const EMBEDDINGS = 10;
/** Values of a tensor that AdamW's graph holds at once, float32. */
const UPDATED = 7;

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
      what: `stages of ${plan.group} crops`,
      bytes: plan.group * cropOfStages(config, plan) + mapsOf(config, plan),
    },
    { what: `heads of ${train.batch} crops`, bytes: headStepBytes(model, train.batch) },
    { what: 'gradients of a stage', bytes: gradients },
    { what: 'libraries and arenas', bytes: BESIDE + (hasFrozenStretch(plan) ? 2 : 1) * ARENA },
  ];
  if (place === 'device') {
    const updated = { what: "the optimizer's values", bytes: updatedBytes(config, trained, inHeads) };
    return { device: present([parameters, copied, ...common, updated]), host: [] };
  }
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

/** Values inside of stages for a crop: forward and backward where they train, and forward in the frozen stretch. */
function cropOfStages({ model, run }: ChainConfig, plan: ChainPlan): number {
  const forward = cropOfBlock(model, run);
  if (plan.stages.length === 0) return forward;
  const { embedDim, ffn } = vitOf(model.backbone);
  const token = tokensPerImage(model.backbone) * ITEM_BYTES[run.precision];
  const backward = SPREAD * token * (WIDTHS * embedDim + HIDDENS[ffn.type] * ffn.hidden);
  const below = hasFrozenStretch(plan) ? forward : EMBEDDINGS * token * embedDim;
  return forward + backward + below;
}

/** Whether some of the backbone is computed forward only, in a session of its own. */
function hasFrozenStretch({ inputs }: ChainPlan): boolean {
  return inputs[0]!.kind !== 'images';
}

/** Of the largest tensor in each of AdamW's sessions: one for what the graphs read in another type. A CPU updates pieces. */
function updatedBytes({ run }: ChainConfig, trained: TensorSpec[], inHeads: Set<string>): number {
  if (run.device === 'cpu') return 0;
  const largest = (specs: TensorSpec[]) =>
    specs.reduce((most, { shape }) => Math.max(most, elementCount(shape)), 0);
  const sessions =
    run.precision === 'float32'
      ? [trained]
      : [true, false].map((isHead) => trained.filter(({ name }) => inHeads.has(name) === isHead));
  return UPDATED * ITEM_BYTES.float32 * sessions.reduce((sum, specs) => sum + largest(specs), 0);
}

function mapsOf({ model: { backbone }, run }: ChainConfig, { stages }: ChainPlan): number {
  if (stages.length === 0) return 0;
  return MAPS * ITEM_BYTES[run.precision] * backbone.heads * tokensPerImage(backbone) ** 2;
}

function present(parts: MemoryPart[]): MemoryPart[] {
  return parts.filter(({ bytes }) => bytes > 0);
}
