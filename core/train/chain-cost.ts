import { elementCount, ITEM_BYTES } from '../checkpoint/dtypes.ts';
import type { VitConfig } from '../config/model-kinds.ts';
import type { TrainConfig } from '../config/train.ts';
import { backboneFlops, backboneSpecs, tokensPerImage } from '../model/backbone.ts';
import { isParameter } from '../model/head.ts';
import { isTrained, lowestTrained, trainedParameters } from './trainable.ts';
import type { Assumptions } from './training-costs.ts';

/** What a step of a chain takes of one GPU whose backbone trains, in seconds, one part after the other. */
export interface ChainStep {
  /** Of the backbone's stages: those that are frozen forward, the others forward, again, and backward. */
  backbone: number;
  /** Of the heads, forward and backward. */
  heads: number;
  /** AdamW, and adding up the gradients of groups: memory traffic on the device, or the host's time. */
  optimizer: number;
  /** Between host and GPU: crops, and with the state on the host weights and gradients. */
  traffic: number;
}

export interface ChainCost {
  step: ChainStep;
  /** Tokens of a step. */
  tokens: number;
  parameters: number;
  /** Bytes of a checkpoint: the model as it is loaded, parameters and moments. */
  checkpointBytes: number;
}

/** Times a forward pass: itself, computed again for the backward pass, and the backward pass, which is two of them. */
const PASSES = 4;
/** Bytes of a parameter that AdamW reads and writes: gradient, parameter, two moments, and the copy for the graphs. */
const ADAMW_BYTES = 4 + 3 * 8;
/** Kernels of a pass of a block, of the four: 21 forward and 302 backward, counted on the fake CUDA. */
const KERNELS_OF_BLOCK = 81;
/** Bytes of a gradient that a sum of two groups reads and writes. */
const SUM_BYTES = 3 * 4;

/**
 * What a training step takes where blocks train: operations and bytes are counted, rates are assumed.
 *
 * @param heads seconds of the heads' step on the GPU
 */
export function chainCost(
  config: VitConfig & { train: TrainConfig },
  assumed: Assumptions,
  heads: number,
): ChainCost {
  const { model, run, train } = config;
  const item = ITEM_BYTES[run.precision];
  const parameters = trainedParameters(config);
  const inBackbone = backboneSpecs(model)
    .filter((spec) => isTrained(config, spec.name) && isParameter(spec))
    .reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const copy = (bytes: number) => bytes / (assumed.copyGbPerS * 1e9);
  const groups = Math.ceil(train.batch / run.batch);
  const sums = memorySeconds((groups - 1) * SUM_BYTES * inBackbone, assumed);
  const onHost = run.state === 'host';
  const copies = run.precision === 'float32' ? 0 : item * inBackbone;
  // A block's weights go up for each direction, those of the heads once; gradients come down.
  const stateTraffic = 2 * item * inBackbone + ITEM_BYTES.float32 * (2 * parameters - inBackbone);
  const crops = train.batch * 3 * model.backbone.imageSizePx ** 2;
  return {
    step: {
      backbone: backboneSeconds(config, assumed, groups),
      heads,
      optimizer:
        sums +
        (onHost
          ? (assumed.optimizerNanoseconds * parameters) / 1e9
          : adamwSeconds(parameters, assumed) + memorySeconds(copies, assumed)),
      traffic: copy(crops + (onHost ? stateTraffic : 0)),
    },
    tokens: train.batch * tokensPerImage(model.backbone),
    parameters,
    checkpointBytes: 3 * ITEM_BYTES.float32 * parameters + copies,
  };
}

/** AdamW on the GPU, whose memory bounds it. */
export function adamwSeconds(parameters: number, assumed: Assumptions): number {
  return memorySeconds(ADAMW_BYTES * parameters, assumed);
}

function memorySeconds(bytes: number, { memoryShare, memoryTbPerS }: Assumptions): number {
  return bytes / (memoryShare * memoryTbPerS * 1e12);
}

/** A published training of every parameter, on one GPU. */
export const PUBLISHED = {
  what: "a published 8B's on one H200",
  parameters: 8e9,
  tokens: 32_768,
  seconds: 3.1,
  shareOfPeak: 0.578,
};

/** Seconds of a token and parameter beside the published training's: as it is assumed, and at its share of the peak. */
export function besidePublished(
  { step, tokens, parameters }: ChainCost,
  { trainShareOfPeak }: Pick<Assumptions, 'trainShareOfPeak'>,
): { now: number; atItsShare: number } {
  const { backbone, heads, optimizer, traffic } = step;
  const published = PUBLISHED.seconds / (PUBLISHED.tokens * PUBLISHED.parameters);
  const ratio = (seconds: number) => seconds / (tokens * parameters) / published;
  const others = heads + optimizer + traffic;
  return {
    now: ratio(backbone + others),
    atItsShare: ratio((backbone * trainShareOfPeak) / PUBLISHED.shareOfPeak + others),
  };
}

/** Kernels are started while earlier ones compute: a step takes the longer of the two. */
function backboneSeconds(
  { model, train }: VitConfig & { train: TrainConfig },
  assumed: Assumptions,
  groups: number,
): number {
  const last = Math.max(...model.backbone.taps);
  const lowest = lowestTrained({ model, train });
  const frozen = lowest === 'embedding' ? 0 : lowest === 'head' ? last + 1 : lowest;
  const total = backboneFlops(model);
  const below = frozen === 0 ? 0 : backboneFlops({ backbone: { ...model.backbone, taps: [frozen - 1] } });
  const flops = train.batch * (below + PASSES * (total - below));
  const passes = frozen + PASSES * (last + 1 - frozen);
  const kernels = groups * passes * KERNELS_OF_BLOCK;
  const peak = assumed.trainShareOfPeak * assumed.peakTflops * 1e12;
  return Math.max(flops / peak, (kernels * assumed.launchMicroseconds) / 1e6);
}
