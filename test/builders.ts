import { createHash } from 'node:crypto';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { memoryStore } from '../activities/deliver/memory-store.ts';
import { elementCount } from '../core/checkpoint/dtypes.ts';
import { type TensorToWrite, writeTorchFile } from '../core/checkpoint/torch-writer.ts';
import { type Config, ConfigSchema } from '../core/config/config.ts';
import type { DatasetManifest, ManifestImage } from '../core/config/manifests.ts';
import { type VitConfig, type VitModel, vitConfig } from '../core/config/model-kinds.ts';
import { applyOverrides } from '../core/config/overrides.ts';
import { modelSpecs } from '../core/model/model-specs.ts';

/** The smallest config with every feature: crops of 28 px in 2×2 patches, a block behind the tap. */
export const TINY = {
  name: 'test',
  model: {
    backbone: {
      type: 'InternViT',
      pretrainSizePx: 56,
      imageSizePx: 28,
      patchSizePx: 14,
      embedDim: 16,
      depth: 3,
      heads: 2,
      mlpRatio: 2,
      taps: [1],
    },
    head: { type: 'linear', channels: 16, classes: 150 },
    test: { mode: 'slide', cropPx: 28, stridePx: 20 },
  },
  dataset: {
    type: 'ADE20K',
    classes: 'ade20k',
    imageDir: 'images/validation',
    annotationDir: 'annotations/validation',
    imageSuffix: '.jpg',
    annotationSuffix: '.png',
    reduceZeroLabel: true,
  },
  pipeline: {
    resize: { type: 'short-side', shortSidePx: 28, multiplePx: 14 },
    mean: [123.675, 116.28, 103.53],
    std: [58.395, 57.12, 57.375],
  },
  run: { batch: 4, device: 'cpu', precision: 'float32', workers: 2, shards: 2, threads: 1 },
};

/** `TINY` as parsed, with overrides: `tinyConfig('run.batch=1')`. */
export function tinyConfig(...overrides: string[]): VitConfig {
  return vitConfig(applyOverrides(ConfigSchema.parse(TINY), overrides, 'test'));
}

/** One whose batch takes ONNX Runtime some tenths of a second: crops of 140 px, 512 channels. */
export function heavyConfig(): VitConfig {
  return tinyConfig(
    'model.backbone.imageSizePx=140',
    'model.test.cropPx=140',
    'model.test.stridePx=140',
    'model.backbone.embedDim=512',
    'model.backbone.heads=8',
    'model.head.channels=512',
    'model.backbone.mlpRatio=4',
    'pipeline.resize.shortSidePx=140',
    'run.batch=16',
  );
}

/** Numbers in 0…1 that are the same each time. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function float32Tensor(name: string, shape: number[], value: (i: number) => number): TensorToWrite {
  const values = Float32Array.from({ length: elementCount(shape) }, (_, i) => value(i));
  return { name, dtype: 'float32', shape, data: new Uint8Array(values.buffer) };
}

/** Random weights for everything that a model needs, in a segmentor's names. */
export function randomTensors(model: VitModel, seed = 1): TensorToWrite[] {
  const random = createRandom(seed);
  return modelSpecs(model).map(({ name, shape }) => {
    const isScale = /norm\.weight$|norm\d?\.weight$|running_var$|gamma$/.test(name);
    return float32Tensor(name, shape, () => (isScale ? 0.5 + random() : 2 * random() - 1));
  });
}

export function randomCheckpoint(model: VitModel, seed = 1): Buffer {
  return Buffer.from(writeTorchFile({ tensors: randomTensors(model, seed) }));
}

export function sha256(bytes: Uint8Array | Uint16Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A JPEG of noise, the same for the same seed. */
export async function jpegOf(width: number, height: number, seed = 1): Promise<Buffer> {
  const random = createRandom(seed);
  const data = Uint8Array.from({ length: width * height * 3 }, () => 256 * random());
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg()
    .toBuffer();
}

/** An 8-bit annotation with labels 0 to 150 in it, the same for the same seed. */
export function annotationOf(width: number, height: number, seed = 1): Buffer {
  const random = createRandom(seed);
  const data = Uint8Array.from({ length: width * height }, () => 151 * random());
  return Buffer.from(encode({ width, height, data, channels: 1, depth: 8 }));
}

/** Wide, high, square, as large as a crop, enlarged: one to six crops each. */
const SIZES: [number, number][] = [
  [48, 36],
  [30, 75],
  [64, 64],
  [28, 28],
  [19, 17],
  [90, 31],
  [40, 41],
  [57, 33],
];

/** A checkpoint and a dataset of eight images in a store, as staging leaves them, and what asks to evaluate them. */
export async function stagedSet({
  model = tinyConfig().model,
  sizes = SIZES,
  checkpoint = randomCheckpoint(model),
} = {}) {
  const objects = new Map<string, Buffer>();
  const put = (uri: string, bytes: Buffer) => {
    objects.set(uri, bytes);
    return { sizeBytes: bytes.length, sha256: sha256(bytes) };
  };
  const input = {
    config: TINY as unknown as Config,
    weights: 's3://bucket/weights.pth',
    dataset: 's3://bucket/data',
    output: 's3://bucket/runs',
  };
  const stageWeights = (uri: string, bytes: Buffer) => {
    const file = { key: uri.split('/').at(-1), ...put(uri, bytes) };
    const manifest = { version: 1, kind: 'weights', file, tensors: [] };
    put(`${uri}.manifest.json`, Buffer.from(JSON.stringify(manifest)));
  };
  stageWeights(input.weights, checkpoint);

  const images: ManifestImage[] = [];
  for (const [i, [width, height]] of sizes.entries()) {
    const id = `image_${i}`;
    const stage = (key: string, bytes: Buffer) => ({ key, ...put(`${input.dataset}/${key}`, bytes) });
    const image = stage(`images/${id}.jpg`, await jpegOf(width, height, i));
    images.push({
      id,
      image,
      annotation: stage(`annotations/${id}.png`, annotationOf(width, height, i)),
      width,
      height,
    });
  }
  const manifest: DatasetManifest = {
    version: 1,
    kind: 'dataset',
    name: 'tiny',
    split: 'validation',
    images,
  };
  put(`${input.dataset}/validation.manifest.json`, Buffer.from(JSON.stringify(manifest)));
  return { objects, store: memoryStore(objects), input, manifest, stageWeights };
}
