import { describe, expect, test } from 'vitest';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import type { TrainableConfig } from '../../../core/config/train-run.ts';
import { backboneFlops } from '../../../core/model/backbone.ts';
import { headFlops } from '../../../core/model/flops.ts';
import {
  type CalibrationEntry,
  CalibrationSchema,
  rateOf,
  type Wanted,
} from '../../../core/plan/calibration.ts';
import { DEFAULT_CALIBRATION } from '../../../core/plan/default-calibration.ts';
import { figures, forecast, span, type Work } from '../../../core/plan/forecast.ts';
import { forecastTraining } from '../../../core/plan/forecast-training.ts';

const ENTRY: CalibrationEntry = {
  device: 'cuda',
  deviceName: 'NVIDIA H200',
  precision: 'bfloat16',
  config: 'big',
  cropsPerSecond: 10,
  gflopPerCrop: 100,
  readySeconds: 30,
  fetchMbPerSecond: 100,
  decodeMegapixelsPerSecond: 20,
  measured: true,
  source: 'here',
};
const WANTED: Wanted = {
  config: 'big',
  device: 'cuda',
  precision: 'bfloat16',
  deviceName: undefined,
  gflopPerCrop: 100,
};

describe('a speed', () => {
  test('is that of this config, else another one’s scaled by operations', () => {
    expect(rateOf([ENTRY], WANTED)).toMatchObject({ cropsPerSecond: 10, isOwn: true });
    expect(rateOf([ENTRY], { ...WANTED, config: 'other', gflopPerCrop: 50 })).toMatchObject({
      cropsPerSecond: 20,
      isOwn: false,
    });
    // An override made another model of it.
    expect(rateOf([ENTRY], { ...WANTED, gflopPerCrop: 200 })).toMatchObject({
      cropsPerSecond: 5,
      isOwn: false,
    });
  });

  test('is taken from the config that is nearest in size', () => {
    const small = { ...ENTRY, config: 'small', gflopPerCrop: 1, cropsPerSecond: 50 };
    const rate = rateOf([small, ENTRY], { ...WANTED, config: 'middle', gflopPerCrop: 90 })!;
    expect(rate.entry.config).toBe('big');
  });

  test('is of this device and precision, and of the GPU that is named, or there is none', () => {
    expect(rateOf([ENTRY], { ...WANTED, precision: 'float32' })).toBeNull();
    expect(rateOf([ENTRY], { ...WANTED, device: 'cpu' })).toBeNull();
    expect(rateOf([ENTRY], { ...WANTED, deviceName: 'h200' })?.entry).toEqual(ENTRY);
    expect(rateOf([ENTRY], { ...WANTED, deviceName: 'A100' })).toBeNull();
    // A model that does not fill the device.
    expect(rateOf([ENTRY], { ...WANTED, config: 'other', gflopPerCrop: 0.9 })).toBeNull();
    const { gflopPerCrop: _, ...alone } = ENTRY;
    expect(rateOf([alone], { ...WANTED, config: 'other' })).toBeNull();
  });
});

describe('a forecast', () => {
  const work: Work = {
    workers: 2,
    shards: [100, 100, 100],
    weightBytes: 1e9,
    imageBytes: 4e8,
    megapixels: 40,
  };
  const rate = { entry: ENTRY, cropsPerSecond: 10, isOwn: true };

  test('adds launch, weights, and the longest of what goes on side by side', () => {
    const { parts, seconds, boundBy, why } = forecast(work, rate);
    // One of two workers has two of three shards.
    expect(parts).toEqual({ launch: 30, weights: 10, images: 2, decode: 1, compute: 20 });
    expect(seconds).toBe(60);
    expect(boundBy).toBe('launch');
    expect(why).toBe(
      'Launching bounds it: until workers are ready 30 s of 60 s pass; more workers would not make it faster.',
    );
  });

  test.each([
    ['compute', { shards: [1000, 1000] }],
    ['fetch', { weightBytes: 2e10 }],
    ['fetch', { imageBytes: 1e11 }],
    ['decode', { megapixels: 1e4 }],
  ] as const)('says that %s bounds it', (bound, changes) => {
    const expected = forecast(
      { ...work, ...changes, shards: [...(('shards' in changes && changes.shards) || work.shards)] },
      rate,
    );
    expect(expected.boundBy).toBe(bound);
  });

  test('of a training is a simulation’s, in which a faster backbone is faster', async () => {
    const config = (await loadVitConfig('tiny')) as TrainableConfig;
    const of = (cropsPerSecond: number) =>
      forecastTraining(config, work, { ...rate, entry: { ...ENTRY, readySeconds: 1 }, cropsPerSecond });
    const [slow, fast] = [of(10), of(1000)];
    expect(slow.boundBy).toBe('compute');
    // 300 steps of 8 crops on two workers at 10 crops a second and worker.
    expect(slow.parts.compute).toBeGreaterThan(120);
    expect(slow.parts.compute).toBeLessThan(260);
    expect(fast.seconds).toBeLessThan(slow.seconds / 2);
    expect(slow.seconds).toBeGreaterThan(slow.parts.compute + slow.parts.evaluations!);
  });
});

test('what is known without a run is a calibration, and its figures are of the models that it names', async () => {
  expect(CalibrationSchema.parse({ version: 1, entries: DEFAULT_CALIBRATION }).entries).toHaveLength(4);
  const gflop = async (name: string) => {
    const { model } = await loadVitConfig(name);
    return (backboneFlops(model) + headFlops(model)) / 1e9;
  };
  const tiny = DEFAULT_CALIBRATION.find(({ config }) => config === 'tiny')!;
  expect(tiny.gflopPerCrop).toBeCloseTo(await gflop('tiny'), 3);
  const large = DEFAULT_CALIBRATION.find(({ device }) => device === 'cuda')!;
  expect(
    large.gflopPerCrop! / (await gflop('linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen')),
  ).toBeCloseTo(1, 4);
  expect(large.measured).toBe(false);
});

test('a speed has three figures', () => {
  expect([0.04321, 25.8, 1234.5].map(figures)).toEqual(['0.0432', '25.8', '1235']);
});

test.each([
  [1.234, '1.2 s'],
  [45.6, '46 s'],
  [600, '10 min'],
  [8_640, '2.4 h'],
])('%d seconds are %s', (seconds, text) => {
  expect(span(seconds)).toBe(text);
});
