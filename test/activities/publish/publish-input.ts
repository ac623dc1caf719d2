import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { PublishInput } from '../../../activities/publish/publish-results.ts';
import { ConfigSchema, type DatasetClasses, DatasetClassesSchema } from '../../../core/config/config.ts';
import { type ConfusionMatrix, emptyMatrix, total } from '../../../core/metric/confusion-matrix.ts';
import { encodeMatrix } from '../../../core/metric/matrix-codec.ts';

const root = new URL('../../../', import.meta.url);
const digest = (of: string) => createHash('sha256').update(of).digest('hex');
const stored = (uri: string, sizeBytes: number) => ({ uri, sizeBytes, sha256: digest(uri), versionId: 'v1' });

export const ade20k: DatasetClasses = DatasetClassesSchema.parse(
  parse(readFileSync(new URL('configs/datasets/ade20k.yaml', root), 'utf8')),
);

/** A matrix as a good model makes it: frequent classes first, mostly right, neighbours confused; the last two never occur. */
export function plausibleMatrix(classes = 150): ConfusionMatrix {
  const matrix = emptyMatrix(classes);
  let state = 1;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  for (let label = 0; label < classes - 2; label++) {
    const pixels = 9e7 / (label + 1.5) ** 1.1;
    const right = 0.96 - (0.15 + (0.8 * label) / classes) * random() ** 0.5;
    matrix.counts[label * classes + label] = Math.round(pixels * right);
    for (let i = 0; i < 9; i++) {
      const other = Math.floor(random() ** 2 * (classes - 2));
      if (other !== label) {
        matrix.counts[label * classes + other]! += Math.round((pixels * (1 - right) * random()) / 5);
      }
    }
  }
  return matrix;
}

/** When the run below ends: 7.3 seconds after its evaluation. */
export const FINISHED_MS = Date.parse('2026-03-01T09:31:40.000Z');

/** What a finished run of linear probing on ADE20K hands to publish. */
export function publishInput(changes: Partial<PublishInput> = {}): PublishInput {
  const matrix = plausibleMatrix();
  return {
    outputPrefix: 's3://results/runs/linear-2026-03-01',
    run: {
      workflowId: 'eval-internvit6b-linear-ade20k',
      runId: '0195a3c2-7d11-7c3e-9a55-2f1f5b7f9d10',
      startedAt: '2026-03-01T09:12:04.000Z',
      codeVersion: '0.1.0+4f2c9ab',
      imageDigest: `sha256:${digest('d')}`,
      config,
    },
    inputs: {
      weights: stored('s3://weights/intern_vit_6b_224px.pth', 11_828_264_960),
      head: stored('s3://weights/linear_head.pth', 1_950_000),
      dataset: {
        ...stored('s3://data/ade20k/validation.json', 742_113),
        name: 'ADE20K',
        split: 'validation',
        images: 2000,
      },
      ignoredKeys: ['clip_projector.norm1_q.weight', 'clip_projector.cross_attn.q.weight'],
    },
    coverage: { images: 2000, labelledPixels: total(matrix), predictionsSha256: digest('7') },
    environment: {
      device: 'cuda',
      deviceName: 'NVIDIA H100 80GB HBM3',
      driver: '560.35.03',
      onnxRuntime: '1.30.0',
      node: '20.20.2',
      precision: 'bfloat16',
      launcher: 'kubernetes',
      workers: 8,
    },
    timeBudget: {
      wall: { plan: 4.1, launch: 96.4, evaluate: 1068.2 },
      worker: { start: 212, weightFetch: 486, graphBuild: 61.5, warmUp: 48.2, compute: 7610, idle: 402.1 },
      gpuSeconds: 8820,
      coldStart: {
        plan: 4.1,
        create: 0.4,
        schedule: 61,
        pull: 24,
        start: 3.1,
        weightFetch: 61.2,
        graphBuild: 7.7,
        warmUp: 6.1,
        total: 171.3,
      },
    },
    cost: { workerSeconds: 8820, pricePerWorkerHour: 2.5, total: 6.125, currency: 'USD' },
    shards: Array.from({ length: 64 }, (_, shard) => ({
      shard,
      images: shard < 16 ? 32 : 31,
      worker: `eval-linear-${shard % 8}`,
      attempts: shard === 17 ? 2 : 1,
      seconds: 118 + ((shard * 37) % 23),
      failures: shard === 17 ? [{ class: 'WorkerLost' as const, message: 'no heartbeat for 30 s' }] : [],
    })),
    workers: Array.from({ length: 8 }, (_, i) => ({
      name: `eval-linear-${i}`,
      node: `gpu-${i % 4}`,
      seconds: { schedule: 61, pull: 24 },
      ...(i === 1 ? { cause: { kind: 'evicted' as const, message: 'Eviction API: evicting' } } : {}),
    })),
    matrix: encodeMatrix(matrix),
    classes: ade20k,
    overlays: [],
    reproduce: [
      `temporal workflow start --type EvalMIoU --task-queue tessera --workflow-id eval-again --input '{"config":"linear_probing_ade20k"}'`,
      'npx tessera run linear_probing_ade20k --weights s3://weights/intern_vit_6b_224px.pth',
    ],
    ...changes,
  };
}

const config = ConfigSchema.parse({
  name: 'linear_probing_ade20k',
  reproduces: { row: 'linear probing', mIoU: 47.2, source: 'InternVL, segmentation' },
  model: {
    backbone: {
      type: 'InternViT',
      pretrainSizePx: 224,
      imageSizePx: 504,
      patchSizePx: 14,
      embedDim: 3200,
      depth: 48,
      heads: 25,
      mlpRatio: 4,
      taps: [44],
    },
    head: { type: 'linear', channels: 3200, classes: 150 },
    test: { mode: 'slide', cropPx: 504, stridePx: 322 },
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
    resize: { type: 'short-side', shortSidePx: 504, multiplePx: 14 },
    mean: [123.675, 116.28, 103.53],
    std: [58.395, 57.12, 57.375],
  },
  run: { batch: 16, device: 'cuda', precision: 'bfloat16', workers: 8, shards: 64 },
});
