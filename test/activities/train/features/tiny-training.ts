import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BackboneExtractor, type Extractor } from '../../../../activities/train/features/extractor.ts';
import { cropSizes, type FeatureBatch } from '../../../../activities/train/features/feature-window.ts';
import type { SampleOf } from '../../../../activities/train/features/group-work.ts';
import {
  type FeaturesConfig,
  prepareFeatures,
} from '../../../../activities/train/features/prepare-features.ts';
import { TrainSchema } from '../../../../core/config/train.ts';
import { roundToBfloat16 } from '../../../../core/model/bfloat16.ts';
import type { FeatureType } from '../../../../core/train/feature-codec.ts';
import { createRandom, randomCheckpoint, sha256, tinyConfig } from '../../../builders.ts';

/**
 * Five crops a step, two of them at a time: a step is three groups, the last one padded. Two taps, since what is
 * sent should be told apart, although the head would take one.
 */
export function tinyTraining(
  { features = 'float32', taps = [0, 1] }: { features?: FeatureType; taps?: number[] } = {},
  ...overrides: string[]
): FeaturesConfig {
  const train = TrainSchema.parse({
    steps: 20,
    batch: 5,
    checkpointEvery: 10,
    evaluateEvery: 10,
    features,
    optimizer: { type: 'adamw', lr: 1e-3, weightDecay: 0 },
    schedule: { type: 'poly', warmup: { steps: 2, ratio: 0.1 } },
    data: {},
    augmentation: { longPx: 56, shortPx: 28 },
  });
  const { model, run } = tinyConfig('run.batch=2', ...overrides);
  return { model: { ...model, backbone: { ...model.backbone, taps } }, run, train };
}

/** The same noise for the same step and slot, whoever asks. */
export function noise({ model }: FeaturesConfig, onSample: (step: number) => void = () => {}): SampleOf {
  const { imageSizePx: side } = model.backbone;
  return async (step, slot) => {
    onSample(step);
    const random = createRandom(1000 * step + slot);
    return {
      image: Float32Array.from({ length: side * side * 3 }, () => 4 * random() - 2),
      labels: Uint8Array.from({ length: side * side }, () => 151 * random()),
    };
  };
}

/** A real backbone, on a thread of its own. Its checkpoint is written into the folder. */
export async function openTinyBackbone(folder: string, config: FeaturesConfig): Promise<BackboneExtractor> {
  const file = join(folder, 'backbone.pth');
  writeFileSync(file, randomCheckpoint(config.model));
  const { modelFile, dataFolder } = await prepareFeatures(folder, [{ name: 'backbone.pth', file }], config);
  return BackboneExtractor.open({ modelFile, dataFolder, config });
}

/** A backbone that gives each crop's first number, rounded to any type of features, as all of its features. */
export function quickBackbone(
  config: FeaturesConfig,
  before: () => Promise<void> = async () => {},
): Extractor {
  const { features } = cropSizes(config);
  const { imageSizePx } = config.model.backbone;
  return {
    async extract(images) {
      await before();
      return features.map((elements) =>
        Float32Array.from({ length: config.run.batch * elements }, (_, i) =>
          roundToBfloat16(images[Math.floor(i / elements) * imageSizePx ** 2 * 3]!),
        ),
      );
    },
  };
}

/** What can be compared bit for bit. */
export function bitsOf({ step, features, labels }: FeatureBatch) {
  return {
    step,
    features: features.map(({ buffer }) => sha256(new Uint8Array(buffer))),
    labels: sha256(labels),
  };
}
