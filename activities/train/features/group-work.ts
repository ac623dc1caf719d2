import type { Sample } from '../load-sample.ts';
import type { Extractor } from './extractor.ts';
import { cropSizes, type Group, slotsOf } from './feature-window.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Loads the sample of a step and a slot: a pure function. */
export type SampleOf = (step: number, slot: number, signal: AbortSignal) => Promise<Sample>;

/** Inputs of a group's crops. */
export interface GroupWork {
  config: FeaturesConfig;
  sample: SampleOf;
  extractor: Extractor;
  signal: AbortSignal;
}

/** A crop's features and labels. */
export interface ComputedCrop {
  step: number;
  slot: number;
  /** As `CropPlace`. */
  features: Float32Array[];
  /** `[S, S]` */
  labels: Uint8Array;
}

/**
 * Computes groups in order, and loads the samples of the next group while the backbone computes one. If it is called
 * once or twice without waiting for the result, the backbone never waits.
 */
export function groupPipeline(work: GroupWork): (group: Group) => Promise<ComputedCrop[]> {
  let backbone: Promise<unknown> = Promise.resolve();
  return (group) => {
    const slots = slotsOf(group, work.config);
    const samples = Promise.all(
      // Do not start a group that is no longer needed.
      slots.map(async (slot) => {
        work.signal.throwIfAborted();
        return work.sample(group.step, slot, work.signal);
      }),
    );
    samples.catch(() => {}); // A failure is reported below, when the group's turn comes.
    const crops = backbone.then(async () => compute(work, group.step, slots, await samples));
    backbone = crops.catch(() => {});
    return crops;
  };
}

/** Always runs the full batch: a kernel's result may depend on the shape, and must be equal on all workers. */
async function compute(
  { config, extractor, signal }: GroupWork,
  step: number,
  slots: number[],
  samples: Sample[],
): Promise<ComputedCrop[]> {
  signal.throwIfAborted();
  const pixels = config.model.backbone.imageSizePx ** 2 * 3;
  const images = new Float32Array(config.run.batch * pixels);
  for (const [i, { image }] of samples.entries()) images.set(image, i * pixels);
  const outputs = await extractor.extract(images);
  const { features } = cropSizes(config);
  return slots.map((slot, i) => ({
    step,
    slot,
    features: outputs.map((output, at) => output.subarray(i * features[at]!, (i + 1) * features[at]!)),
    labels: samples[i]!.labels,
  }));
}
