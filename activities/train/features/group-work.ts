import type { Sample } from '../load-sample.ts';
import type { Extractor } from './extractor.ts';
import { cropSizes, type Group, slotsOf } from './feature-window.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Makes sample (step, slot): a pure function, whoever calls it. */
export type SampleOf = (step: number, slot: number, signal: AbortSignal) => Promise<Sample>;

/** Where the crops of a group come from. */
export interface GroupWork {
  config: FeaturesConfig;
  sample: SampleOf;
  extractor: Extractor;
  signal: AbortSignal;
}

/** A crop as it comes out of the backbone. */
export interface ComputedCrop {
  step: number;
  slot: number;
  /** By tap, `[C, g, g]`. */
  features: Float32Array[];
  /** `[S, S]` */
  labels: Uint8Array;
}

/**
 * Computes groups one after the other; the samples of the next are made while the backbone is busy with one.
 * Call it again without waiting for the result, once or twice: then the backbone never waits.
 */
export function groupPipeline(work: GroupWork): (group: Group) => Promise<ComputedCrop[]> {
  let backbone: Promise<unknown> = Promise.resolve();
  return (group) => {
    const slots = slotsOf(group, work.config);
    const samples = Promise.all(
      // Nothing is begun that nobody wants any more.
      slots.map(async (slot) => {
        work.signal.throwIfAborted();
        return work.sample(group.step, slot, work.signal);
      }),
    );
    samples.catch(() => {}); // It is looked at when its turn comes.
    const crops = backbone.then(async () => compute(work, group.step, slots, await samples));
    backbone = crops.catch(() => {});
    return crops;
  };
}

/** Always the whole batch: what a kernel does with a crop may depend on the shape, and everybody's must be equal. */
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
  const taps = await extractor.extract(images);
  const { feature } = cropSizes(config);
  return slots.map((slot, i) => ({
    step,
    slot,
    features: taps.map((tap) => tap.subarray(i * feature, (i + 1) * feature)),
    labels: samples[i]!.labels,
  }));
}
