import { ITEM_BYTES } from '../checkpoint/dtypes.ts';
import type { VitConfig } from '../config/model-kinds.ts';
import type { TrainConfig } from '../config/train.ts';
import { networkSize } from '../image/test-size.ts';
import { backboneFlops, gridSide } from '../model/backbone.ts';
import { cropShape } from '../model/crop-shape.ts';
import { slideWindows, windowCount } from '../model/slide-windows.ts';
import { adamwSeconds, type ChainCost, chainCost } from './chain-cost.ts';
import { FEATURE_BYTES } from './feature-codec.ts';
import type { TrainingCosts } from './simulate.ts';
import { stepCost } from './step-cost.ts';
import { lowestTrained } from './trainable.ts';

/** What a plan takes for granted of machines: docs/scaling.md says of each number where it comes from. */
export interface Assumptions {
  /** Of one GPU in the backbone's precision, and the share of it that the backbone reaches. */
  peakTflops: number;
  shareOfPeak: number;
  /** The same for a step that trains it, forward, again, and backward. */
  trainShareOfPeak: number;
  /** What a head's convolutions reach in float32, and what a kernel takes at least. */
  headTflops: number;
  launchMicroseconds: number;
  /** Between host and GPU, each way. */
  copyGbPerS: number;
  /** AdamW on the host, for each parameter. */
  optimizerNanoseconds: number;
  /** Of the GPU's memory, and the share of it that an optimizer reaches. */
  memoryTbPerS: number;
  memoryShare: number;
  /** On one thread: to make a crop, and to send and to receive a megabyte of features. */
  sampleMs: number;
  sendMsPerMb: number;
  receiveMsPerMb: number;
  networkGbps: number;
  /** Batches that are computed ahead at most, float32. */
  windowSteps: number;
  windowGib: number;
  checkpointMbPerS: number;
  /** Until a worker has the backbone on its GPU, its weights being on the node. */
  startSeconds: number;
  evaluationImages: number;
  lossesPerHour: number;
  replaceMinutes: number;
  pricePerGpuHour: number;
}

export const ASSUMED: Assumptions = {
  peakTflops: 989,
  shareOfPeak: 0.5,
  trainShareOfPeak: 0.27,
  headTflops: 200,
  launchMicroseconds: 10,
  copyGbPerS: 7,
  optimizerNanoseconds: 6,
  memoryTbPerS: 4.8,
  memoryShare: 0.7,
  sampleMs: 18,
  sendMsPerMb: 3.8,
  receiveMsPerMb: 5.2,
  networkGbps: 100,
  windowSteps: 8,
  windowGib: 4,
  checkpointMbPerS: 240,
  startSeconds: 60,
  evaluationImages: 2_000,
  lossesPerHour: 0.02,
  replaceMinutes: 10,
  pricePerGpuHour: 3,
};

/** A worker that is lost is noticed by its heartbeats. @see workflows/activities.ts */
const NOTICE_SECONDS = 11;
/** Like most of ADE20K's. */
const TYPICAL_IMAGE = { width: 683, height: 512 };

/** What the parts of a config's training take, by what is assumed. */
export function trainingCosts(
  config: VitConfig & { train: TrainConfig },
  assumed: Assumptions,
): TrainingCosts {
  const { model, run, train } = config;
  const { backbone } = model;
  const step = stepCost(config);
  const copy = (bytes: number) => bytes / (assumed.copyGbPerS * 1e9);
  const grid = gridSide(backbone);
  const elements = backbone.taps.length * backbone.embedDim * grid ** 2;
  const labels = backbone.imageSizePx ** 2;
  const cropBytes = elements * FEATURE_BYTES[train.features] + labels;
  const cropSeconds = backboneFlops(model) / (assumed.shareOfPeak * assumed.peakTflops * 1e12);
  const headSeconds = step.forwardFlops / (assumed.headTflops * 1e12);
  const batchBytes = train.batch * (4 * elements + labels);
  const grids = slideWindows(networkSize(TYPICAL_IMAGE, config.pipeline.resize), cropShape(model));
  const crops = assumed.evaluationImages * (grids ? windowCount(grids) : 1);
  const repeated = step.repeatedFlops / (assumed.headTflops * 1e12);
  const heads = train.batch * (3 * headSeconds + repeated) + (step.nodes * assumed.launchMicroseconds) / 1e6;
  const onHost = run.state === 'host';
  const chain = lowestTrained(config) === 'head' ? null : chainCost(config, assumed, heads);
  const costs: TrainingCosts = {
    train,
    group: run.batch,
    windowSteps: Math.max(
      1,
      Math.min(assumed.windowSteps, Math.floor((assumed.windowGib * 2 ** 30) / batchBytes)),
    ),
    sampleSeconds: assumed.sampleMs / 1e3,
    sendSeconds: (assumed.sendMsPerMb * cropBytes) / 1e9,
    // Crops go in and features come out in float32, whatever is sent.
    backboneSeconds: run.batch * (cropSeconds + copy(4 * (3 * labels + elements))),
    cropBytes,
    networkBytesPerSecond: (assumed.networkGbps * 1e9) / 8,
    receiveSeconds: (assumed.receiveMsPerMb * cropBytes) / 1e9,
    copySeconds: copy(4 * elements),
    // With its state on the host parameters go in and gradients come out.
    gpuStepSeconds:
      heads +
      copy(batchBytes + (onHost ? 2 * ITEM_BYTES.float32 * step.parameters : 0)) +
      (onHost ? 0 : adamwSeconds(step.parameters, assumed)),
    hostStepSeconds: onHost ? (assumed.optimizerNanoseconds * step.parameters) / 1e9 : 0,
    checkpointSeconds: (12 * step.parameters) / (assumed.checkpointMbPerS * 1e6),
    loadSeconds: 0,
    startSeconds: assumed.startSeconds,
    evaluationGpuSeconds: crops * (cropSeconds + headSeconds),
    lossesPerHour: assumed.lossesPerHour,
    noticeSeconds: NOTICE_SECONDS,
    replaceSeconds: assumed.replaceMinutes * 60,
  };
  return chain ? costsOfChain(costs, chain, assumed) : costs;
}

/** One GPU does the whole step, and nothing is sent: what other workers there are make crops, and evaluate. */
function costsOfChain(costs: TrainingCosts, chain: ChainCost, assumed: Assumptions): TrainingCosts {
  const { backbone, heads, optimizer, traffic } = chain.step;
  // A checkpoint is read at each segment as fast as it was written.
  const stateSeconds = chain.checkpointBytes / (assumed.checkpointMbPerS * 1e6);
  return {
    ...costs,
    chain,
    sendSeconds: 0,
    backboneSeconds: 0,
    cropBytes: 0,
    receiveSeconds: 0,
    copySeconds: 0,
    gpuStepSeconds: backbone + heads + optimizer + traffic,
    hostStepSeconds: 0,
    checkpointSeconds: stateSeconds,
    loadSeconds: stateSeconds,
  };
}
