import { ITEM_BYTES } from '../checkpoint/dtypes.ts';
import type { Config } from '../config/config.ts';
import type { VitModel } from '../config/model-kinds.ts';
import type { TrainConfig } from '../config/train.ts';
import { backboneSpecs, blockOf, tokensPerImage, vitOf } from '../model/backbone.ts';
import { ARENA, BESIDE, cropOfBlock, cropOfHead, elements, SPREAD } from '../model/device-memory.ts';
import { headSpecs, isParameter } from '../model/head.ts';
import type { TensorSpec } from '../model/tensor-spec.ts';
import { isTrained, lowestTrained, trainedSpecs } from './trainable.ts';

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

interface Training {
  model: VitModel;
  run: Pick<Config['run'], 'batch' | 'precision'>;
  train: Pick<TrainConfig, 'batch' | 'trainable'>;
}

/** A parameter and AdamW's two moments, float32. */
const STATE_BYTES = 3 * ITEM_BYTES.float32;
/** Times a block's width: its values, computed again for the backward pass, and their gradients that are alive at once. */
const WIDTHS = 17;
/** The same for the hidden layers of its feed-forward part. */
const HIDDENS = { gelu: 4, swiglu: 7 };
/** Maps of tokens × tokens that attention's backward pass holds at once, for all heads of one crop. */
const MAPS = 4;

/** Of sessions that are open at once: that of blocks, and that of heads. */
const ARENAS = 2;

/** What a training takes with its parameters and moments in either place. */
export function trainingMemory(config: Training, place: StatePlace): TrainingMemory {
  const { model, run, train } = config;
  const item = ITEM_BYTES[run.precision];
  const state = trainedSpecs(config).filter(isParameter);
  const head = headSpecs(model).filter(isParameter);
  const inBackbone = backboneSpecs(model).filter(({ name }) => isTrained(config, name));
  const frozen = backboneSpecs(model).filter(({ name }) => !isTrained(config, name));
  const largestBlock = largestBlockOf(inBackbone);
  // Heads and pyramid compute in float32, with the parameters themselves.
  const copies = run.precision === 'float32' ? 0 : item * elements(inBackbone);
  const parameters = { what: 'parameters and moments', bytes: STATE_BYTES * elements(state) };
  const copied = { what: `copies in ${run.precision}`, bytes: copies };
  const gradients = {
    what: 'gradients of a stage',
    bytes: ITEM_BYTES.float32 * Math.max(elements(head), largestBlock),
  };
  const common = [
    { what: 'frozen weights', bytes: item * elements(frozen) },
    { what: 'inputs of stages', bytes: train.batch * keptOf(config) },
    { what: `a block of ${run.batch} crops`, bytes: run.batch * cropOfStages(config) + mapsOf(config) },
    { what: `heads of ${train.batch} crops`, bytes: train.batch * cropOfHead(model, 'training') },
    gradients,
    { what: 'libraries and arenas', bytes: BESIDE + ARENAS * ARENA },
  ];
  if (place === 'device') return { device: present([parameters, copied, ...common]), host: [] };
  // A stage's weights are there while it computes, and those of the next one.
  const stages = {
    what: 'weights of two stages',
    bytes: ITEM_BYTES.float32 * elements(head) + (inBackbone.length > 0 ? item * largestBlock : 0),
  };
  return { device: present([stages, ...common]), host: present([parameters, copied, gradients]) };
}

/** Of the GPU of a planned training's worker. */
export function trainerBytes(config: Training & { run: Pick<Config['run'], 'state'> }): number {
  return sumOf(trainingMemory(config, config.run.state === 'host' ? 'host' : 'device').device);
}

/** Bytes of parts. */
export function sumOf(parts: MemoryPart[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What the backward pass needs of a crop: the input of each stage from the lowest that trains on, and the heads' taps. */
function keptOf(config: Training): number {
  const { backbone } = config.model;
  const lowest = lowestTrained(config);
  const last = Math.max(...backbone.taps);
  const first = lowest === 'embedding' ? 0 : lowest === 'head' ? last + 1 : lowest;
  // A block's output is the next one's input: only the last tap, and those of frozen blocks, come beside.
  const taps = new Set(backbone.taps.filter((tap) => tap === last || tap + 1 < first));
  const values = tokensPerImage(backbone) * backbone.embedDim;
  return ITEM_BYTES[config.run.precision] * values * (last + 1 - first + taps.size);
}

/** Values inside of a block for a crop: forward and backward where one trains, else forward only. */
function cropOfStages(config: Training): number {
  const { model, run } = config;
  if (lowestTrained(config) === 'head') return cropOfBlock(model, run);
  const { embedDim, ffn } = vitOf(model.backbone);
  const values = WIDTHS * embedDim + HIDDENS[ffn.type] * ffn.hidden;
  return SPREAD * tokensPerImage(model.backbone) * ITEM_BYTES[run.precision] * values;
}

function mapsOf(config: Training): number {
  if (lowestTrained(config) === 'head') return 0;
  const { backbone } = config.model;
  return MAPS * ITEM_BYTES[config.run.precision] * backbone.heads * tokensPerImage(backbone) ** 2;
}

/** Numbers of the largest block among these tensors. */
function largestBlockOf(specs: TensorSpec[]): number {
  const blocks = new Map<number, number>();
  for (const spec of specs) {
    const block = blockOf(spec.name);
    if (block !== undefined) blocks.set(block, (blocks.get(block) ?? 0) + elements([spec]));
  }
  return Math.max(0, ...blocks.values());
}

function present(parts: MemoryPart[]): MemoryPart[] {
  return parts.filter(({ bytes }) => bytes > 0);
}
