import type { Extractor } from '../../activities/train/features/extractor.ts';
import { cropSizes } from '../../activities/train/features/feature-window.ts';
import type { SampleOf } from '../../activities/train/features/group-work.ts';
import type { FeaturesConfig } from '../../activities/train/features/prepare-features.ts';

/** Samples and features of the right size that cost nothing: what is left is their way to the trainer. */
export function pretendedFeatures(config: FeaturesConfig): { sample: SampleOf; extractor: Extractor } {
  const sizes = cropSizes(config);
  const sample = { image: new Float32Array(0), labels: new Uint8Array(sizes.labels) };
  const features = sizes.features.map((elements) => new Float32Array(config.run.batch * elements).fill(1.5));
  return { sample: async () => sample, extractor: { extract: async () => features } };
}
