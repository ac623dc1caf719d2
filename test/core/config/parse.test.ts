import { describe, expect, test } from 'vitest';
import { ConfigSchema } from '../../../core/config/config.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { vitConfig } from '../../../core/config/model-kinds.ts';
import { knownKeys, parseConfig } from '../../../core/config/parse.ts';
import { TINY, tinyConfig } from '../../builders.ts';

/** The message of a config whose value at a path is another one. */
function refusal(path: string, value: unknown): string {
  const config = structuredClone(TINY) as Record<string, unknown>;
  const keys = path.split('.');
  const parent = keys.slice(0, -1).reduce((here, key) => here[key] as Record<string, unknown>, config);
  parent[keys.at(-1)!] = value;
  try {
    parseConfig(config, 'configs/x.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(BadInput);
    return (error as Error).message;
  }
  throw new Error(`${path} was accepted`);
}

test('a config gets the defaults that it leaves out', () => {
  const config = vitConfig(parseConfig(TINY, 'x'));
  expect(config.model.backbone).toMatchObject({ qkNormalization: true, qkvBias: false, normEps: 1e-6 });
  expect(config.run).toMatchObject({ overlays: 6, pricePerWorkerHour: 0, currency: 'USD' });
  expect(config.dataset.ignoreIndex).toBe(255);
});

describe('a wrong field is named, with what it is and what it should be', () => {
  test.each([
    ['model.backbone.taps', [3], 'model.backbone.taps has 3, but the backbone has 3 blocks (0 to 2)'],
    ['model.backbone.taps', [0, 1], "model.head.channels is 16, but the backbone's taps give 32"],
    ['model.backbone.heads', 3, 'model.backbone.heads is 3, which does not divide embedDim 16'],
    [
      'model.backbone.imageSizePx',
      30,
      'model.backbone.imageSizePx is 30, which is no multiple of patchSizePx 14',
    ],
    ['model.head.channels', 8, "model.head.channels is 8, but the backbone's taps give 16"],
    ['model.head.classes', 1025, 'model.head.classes is 1025; at most 1024 are counted'],
    ['model.test.cropPx', 42, 'model.test.cropPx is 42, but the backbone takes imageSizePx 28'],
    [
      'model.test.stridePx',
      29,
      'model.test.stridePx is 29, more than cropPx 28: pixels between windows would be left out',
    ],
    [
      'run.precision',
      'bfloat16',
      "run.precision is bfloat16, but ONNX Runtime's CPU kernels compute in float32 (run.precision=float32)",
    ],
    [
      'dataset.classes',
      [{ name: 'road', color: [1, 2, 3] }],
      'dataset.classes lists 1, but model.head.classes is 150',
    ],
    [
      'dataset.classes',
      [{ name: 'road', color: [1, 2, 256] }],
      'dataset.classes.0.color.2: Too big: expected number to be <=255',
    ],
    [
      'dataset.classes',
      ['road'],
      'dataset.classes: expected the name of a file in configs/datasets, or a list of { name, color: [red, green, blue] }',
    ],
    [
      'dataset.ignoreIndex',
      0,
      'dataset.ignoreIndex: expected 255 with reduceZeroLabel (65535 of 16-bit files), which makes it of what is ignored',
    ],
    ['run.workers', 0, 'run.workers: Too small: expected number to be >0'],
    ['run.device', 'gpu', 'run.device: Invalid option: expected one of "cpu"|"cuda"'],
    ['model.test.mode', 'hole', "model.test.mode: Invalid discriminator value. Expected 'slide' | 'whole'"],
  ])('%s = %j', (path, value, message) => {
    expect(refusal(path, value).split('\n')).toContain(`configs/x.yaml: ${message}`);
  });
});

describe('what a train section says that cannot be is named', () => {
  const TRAIN = {
    steps: 100,
    batch: 1,
    data: {},
    checkpointEvery: 10,
    evaluateEvery: 10,
    optimizer: { type: 'adamw', lr: 0.01, weightDecay: 0 },
    schedule: { type: 'poly', warmup: { steps: 10, ratio: 0.1 } },
    augmentation: { longPx: 112, shortPx: 28 },
  };
  const upernet = { type: 'upernet', channels: 8, poolScales: [1, 2], classes: 150 };
  const taps = [0, 1, 1, 2];
  const auxiliaryHead = { channels: 8, level: 1, classes: 150 };

  test.each([
    [{ steps: 9 }, {}, 'train.schedule.warmup.steps is 10, more than train.steps 9'],
    [
      { schedule: { ...TRAIN.schedule, minLr: 0.1 } },
      {},
      'train.schedule.minLr is 0.1, more than train.optimizer.lr 0.01',
    ],
    [
      { augmentation: { ...TRAIN.augmentation, ratioRange: [2, 0.5] } },
      {},
      'train.augmentation.ratioRange is 2 to 0.5; expected the smaller one first',
    ],
    [
      { augmentation: { longPx: 28, shortPx: 112 } },
      {},
      'train.augmentation.shortPx is 112, more than train.augmentation.longPx 28',
    ],
    [
      { augmentation: { ...TRAIN.augmentation, ratioRange: [0.01, 1] } },
      {},
      'train.augmentation.ratioRange begins at 0.01, which makes less than a pixel of shortPx 28',
    ],
    [
      {},
      { head: upernet, taps },
      'train.batch is 1, but UperNet pools to one pixel (model.head.poolScales has 1), whose BatchNorm needs 2 crops or more',
    ],
    [
      {},
      { auxiliaryHead },
      'model.auxiliaryHead is trained on a level of the feature pyramid, which a head of type linear has not',
    ],
    [
      { batch: 2 },
      { head: upernet, taps, auxiliaryHead: { ...auxiliaryHead, classes: 19 } },
      'model.auxiliaryHead.classes is 19, but model.head.classes is 150',
    ],
  ])('%j, %j', (train, { taps, ...model }: { taps?: number[]; [part: string]: unknown }, message) => {
    const config = structuredClone(TINY);
    Object.assign(config.model, model);
    if (taps) config.model.backbone.taps = taps;
    const parse = () => parseConfig({ ...config, train: { ...TRAIN, ...train } }, 'x');
    expect(parse).toThrow(BadInput);
    expect(parse).toThrow(`x: ${message}`);
  });

  test('a right one is taken', () => {
    expect(parseConfig({ ...TINY, train: TRAIN }, 'x').train).toMatchObject({ steps: 100, seed: 0 });
  });
});

describe('the files of a dataset lie below its root', () => {
  const message = "expected a path below the dataset's root, such as images/validation";
  test.each(['/images', 'images/', 'images//validation', '../images', 'images/./validation', ''])(
    'not in %j',
    (path) => {
      expect(refusal('dataset.imageDir', path)).toContain(`dataset.imageDir: ${message}`);
      expect(refusal('dataset.splitFile', path)).toContain(`dataset.splitFile: ${message}`);
    },
  );

  test.each(['jpg', '.', '', '.jpg/'])('and end otherwise than in %j', (suffix) => {
    expect(refusal('dataset.imageSuffix', suffix)).toMatch(
      /dataset\.imageSuffix: expected the end of a file name/,
    );
  });
});

test('without reduceZeroLabel any label can be the ignored one', () => {
  const { dataset } = tinyConfig('dataset.reduceZeroLabel=false', 'dataset.ignoreIndex=0');
  expect(dataset.ignoreIndex).toBe(0);
});

test('strides up to the crop, and bfloat16 on a GPU, are right', () => {
  expect(tinyConfig('model.test.stridePx=28').model.test).toMatchObject({ stridePx: 28 });
  expect(tinyConfig('run.device=cuda', 'run.precision=bfloat16').run.precision).toBe('bfloat16');
});

test('all problems are told at once, one a line', () => {
  const model = { ...TINY.model, backbone: { ...TINY.model.backbone, taps: [7], heads: 5 } };
  expect(() => parseConfig({ ...TINY, model }, 'x')).toThrow(/^x: .*taps has 7.*\nx: .*heads is 5/);
});

describe('an unknown key gets the nearest known one', () => {
  test.each([
    ['run.bacth', 'unknown key run.bacth; did you mean run.batch?'],
    ['model.backbone.numHeads', 'unknown key model.backbone.numHeads; did you mean model.backbone.heads?'],
    ['modell', 'unknown key modell; did you mean model?'],
    // Keys of a union's member are known, too.
    [
      'pipeline.resize.shortSide',
      'unknown key pipeline.resize.shortSide; did you mean pipeline.resize.shortSidePx?',
    ],
  ])('%s', (path, message) => {
    expect(refusal(path, 1)).toBe(`configs/x.yaml: ${message}`);
  });
});

test('a key of another kind of the same section is not suggested to itself', () => {
  expect(refusal('model.test', { mode: 'whole', cropPx: 28 })).toBe(
    'configs/x.yaml: key model.test.cropPx does not go with this kind of model.test',
  );
});

test('the known keys of a section are those of all its kinds', () => {
  expect(knownKeys(ConfigSchema, ['model', 'test'])).toEqual(['mode', 'cropPx', 'stridePx']);
  expect(knownKeys(ConfigSchema, ['reproduces'])).toEqual(['row', 'mIoU', 'source']);
  expect(knownKeys(ConfigSchema, ['run', 'batch'])).toEqual([]);
});
