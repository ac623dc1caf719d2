import { expect, test } from 'vitest';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { parseConfig } from '../../../core/config/parse.ts';
import type { TrainableConfig } from '../../../core/config/train-run.ts';
import { backboneSpecs } from '../../../core/model/backbone.ts';
import { headSpecs } from '../../../core/model/head.ts';
import {
  isTrained,
  lowestTrained,
  matchesPattern,
  trainedSpecs,
  trainedText,
} from '../../../core/train/trainable.ts';
import { TINY } from '../../builders.ts';

const TRAIN = {
  steps: 100,
  batch: 2,
  data: {},
  checkpointEvery: 10,
  evaluateEvery: 10,
  optimizer: { type: 'adamw', lr: 0.01, weightDecay: 0 },
  schedule: { type: 'poly', warmup: { steps: 10, ratio: 0.1 } },
  augmentation: { longPx: 112, shortPx: 28 },
};
const PYRAMID = {
  backbone: { ...TINY.model.backbone, taps: [0, 1, 1, 2] },
  head: { type: 'upernet', channels: 8, poolScales: [1, 2], classes: 150 },
  auxiliaryHead: { channels: 8, level: 1, classes: 150 },
};

function training(train: object, model: object = {}): TrainableConfig {
  const config = { ...TINY, model: { ...TINY.model, ...model }, train: { ...TRAIN, ...train } };
  return parseConfig(config, 'configs/x.yaml') as TrainableConfig;
}

const namesOf = (config: TrainableConfig) => trainedSpecs(config).map(({ name }) => name);

test('without a word, what trains is the head: pyramid, auxiliary head and running statistics among its state', () => {
  const config = training({}, PYRAMID);
  expect(trainedSpecs(config)).toEqual(headSpecs(config.model));
  expect(lowestTrained(config)).toBe('head');
  expect(isTrained(config, 'backbone.up1.0.weight')).toBe(true);
  expect(isTrained(config, 'auxiliary_head.conv_seg.bias')).toBe(true);
  expect(isTrained(config, 'auxiliary_head.convs.0.bn.running_var')).toBe(false);
  expect(isTrained(config, 'backbone.blocks.0.ls1.gamma')).toBe(false);
});

test('of all, every tensor up to the last tap trains: layer scales, and the position embedding at the crop’s grid', () => {
  const config = training({ trainable: 'all', dropPathRate: 0.4 });
  expect(trainedSpecs(config)).toEqual([...backboneSpecs(config.model), ...headSpecs(config.model)]);
  expect(lowestTrained(config)).toBe('embedding');
  expect(trainedSpecs(config)).toContainEqual({ name: 'backbone.pos_embed', shape: [1, 5, 16] });
  expect(namesOf(config)).toContain('backbone.blocks.1.ls2.gamma');
  expect(namesOf(config).some((name) => name.startsWith('backbone.blocks.2.'))).toBe(false);
});

test('a list of patterns adds what it matches to the head, and says how far gradients go down', () => {
  const norms = training({ trainable: ['backbone.blocks.1.norm?.*'] });
  expect(namesOf(norms)).toEqual([
    'backbone.blocks.1.norm1.weight',
    'backbone.blocks.1.norm2.weight',
    ...headSpecs(norms.model).map(({ name }) => name),
  ]);
  expect(lowestTrained(norms)).toBe(1);
  expect(lowestTrained(training({ trainable: ['*.1.mlp.*', '*.0.ls?.gamma'] }))).toBe(0);
  expect(lowestTrained(training({ trainable: ['backbone.cls_token'] }))).toBe('embedding');
  expect(lowestTrained(training({ trainable: ['decode_head.*'] }))).toBe('head');
});

test('a star stands for any characters, a question mark for one, and nothing else for another', () => {
  expect(matchesPattern('backbone.blocks.4?.*', 'backbone.blocks.47.norm1.weight')).toBe(true);
  expect(matchesPattern('backbone.blocks.4?.*', 'backbone.blocks.4.norm1.weight')).toBe(false);
  expect(matchesPattern('backbone.blocks.4.*', 'backbone.blocks.47.norm1.weight')).toBe(false);
  expect(matchesPattern('blocks.4', 'backbone.blocks.4')).toBe(false);
  expect(matchesPattern('(a+)+*', 'aaa')).toBe(false);
});

test('a rotary embedding’s periods are a constant, and the norm behind the last block is above it', () => {
  const backbone = {
    type: 'DINOv3',
    imageSizePx: 32,
    patchSizePx: 16,
    embedDim: 16,
    depth: 2,
    heads: 2,
    taps: [1],
    hiddenChannels: 32,
  };
  const model = { backbone, test: { mode: 'slide', cropPx: 32, stridePx: 20 } };
  expect(namesOf(training({ trainable: 'all' }, model))).not.toContain('backbone.rope_embed.periods');
  const norm = training({ trainable: ['backbone.norm.*'] }, model);
  expect(namesOf(norm)).toContain('backbone.norm.weight');
  expect(lowestTrained(norm)).toBe('head');
});

test('a pattern that matches nothing is refused with the nearest name, and so is drop path in frozen blocks', () => {
  expect(() => training({ trainable: ['backbone.blocks.1.norm.weight', 'backbone.*'] })).toThrow(
    'configs/x.yaml: train.trainable has backbone.blocks.1.norm.weight, which matches no parameter; did you mean backbone.blocks.1.norm1.weight?',
  );
  expect(() => training({ trainable: 'everything' })).toThrow(
    "train.trainable: expected head, all, or a list of parameters' names such as backbone.blocks.47.*",
  );
  const half = { ...TINY, run: { ...TINY.run, device: 'cuda', precision: 'float16' } };
  expect(() => parseConfig({ ...half, train: { ...TRAIN, trainable: 'all' } }, 'x')).toThrow(
    'run.precision is float16, in which the gradients of a backbone that trains get lost: expected bfloat16 or float32',
  );
  expect(() => parseConfig({ ...half, train: TRAIN }, 'x')).not.toThrow();
  expect(() => training({ dropPathRate: 0.4 })).toThrow(
    'train.dropPathRate is 0.4, but frozen blocks drop nothing: set train.trainable to all, or leave it out',
  );
});

test('what trains is said with its size', async () => {
  const textOf = async (name: string, trainable?: string[]) => {
    const { train, ...config } = await loadVitConfig(name);
    return trainedText({ ...config, train: { ...train!, ...(trainable ? { trainable } : {}) } });
  };
  const few = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_1of1';
  expect(await textOf(few)).toBe('all: 5,907 M parameters');
  expect(await textOf(few, ['backbone.blocks.47.*'])).toBe('head, backbone.blocks.47.*: 123 M parameters');
  expect(await textOf('linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen')).toBe(
    'head: 0.5 M parameters',
  );
});

test('a run under way that an earlier version planned trains its head', () => {
  const { model, train } = training({});
  const { trainable: _, ...earlier } = train;
  expect(lowestTrained({ model, train: earlier as typeof train })).toBe('head');
});
