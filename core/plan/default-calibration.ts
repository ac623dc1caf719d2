import type { CalibrationEntry } from './calibration.ts';

/** A CPU's worker starts in so long, and its weights come so fast from an S3 on the same machine. */
const CPU: Pick<
  CalibrationEntry,
  'device' | 'precision' | 'readySeconds' | 'fetchMbPerSecond' | 'decodeMegapixelsPerSecond' | 'measured'
> = {
  device: 'cpu',
  precision: 'float32',
  readySeconds: 1.9,
  fetchMbPerSecond: 264,
  // An image of 683 × 512 px to a crop on one core: 18 ms.
  decodeMegapixelsPerSecond: 19,
  measured: true,
};

/** No GPU has been measured: an H100's data sheet, and the share of it that is assumed. */
const GPU: Omit<CalibrationEntry, 'precision'> = {
  device: 'cuda',
  deviceName: 'H100 or H200',
  config: 'linear_intern_vit_6b_504',
  // 40 % of 989 TFLOP/s, at 15.3 TFLOP a crop.
  cropsPerSecond: 25.8,
  gflopPerCrop: 15_319,
  readySeconds: 60,
  fetchMbPerSecond: 250,
  decodeMegapixelsPerSecond: 19,
  measured: false,
  source: 'assumed, docs/scaling.md: 40 % of the 989 TFLOP/s of the data sheet; no GPU has been measured',
};

/** What is known without a run of one's own: the figures of docs/benchmarks.md, and docs/scaling.md's assumptions. */
export const DEFAULT_CALIBRATION: CalibrationEntry[] = [
  {
    ...CPU,
    deviceName: 'one core of an AMD EPYC',
    config: 'tiny',
    cropsPerSecond: 81,
    gflopPerCrop: 0.366,
    source: 'docs/benchmarks.md, 2026-11-24: 209 crops in 2.58 s of two workers of one thread each',
  },
  {
    ...CPU,
    deviceName: 'two cores of an AMD EPYC',
    config: 'mid',
    cropsPerSecond: 3.4,
    gflopPerCrop: 79.6,
    source: 'docs/benchmarks.md, 2026-11-24: one worker of two threads',
  },
  { ...GPU, precision: 'bfloat16' },
  { ...GPU, precision: 'float16' },
];
