import { describe, expect, test } from 'vitest';
import { BadInput } from '../../../core/config/failures.ts';
import { type VitConfig, vitConfig } from '../../../core/config/model-kinds.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import { tinyConfig } from '../../builders.ts';

const apply = (...overrides: string[]) =>
  vitConfig(applyOverrides(tinyConfig(), overrides, 'configs/x.yaml'));

describe('a value is', () => {
  test.each([
    ['a number', 'run.batch=16', 16, (c: VitConfig) => c.run.batch],
    ['true or false', 'dataset.reduceZeroLabel=false', false, (c: VitConfig) => c.dataset.reduceZeroLabel],
    ['a string, without quotes', 'run.currency=EUR', 'EUR', (c: VitConfig) => c.run.currency],
    ['a string with an equals sign', 'name=a=b', 'a=b', (c: VitConfig) => c.name],
    ['a list as JSON', 'model.backbone.taps=[2]', [2], (c: VitConfig) => c.model.backbone.taps],
    ['a list with commas', 'pipeline.mean=1,2.5,-3', [1, 2.5, -3], (c: VitConfig) => c.pipeline.mean],
    ['a section as JSON', 'model.test={"mode":"whole"}', { mode: 'whole' }, (c: VitConfig) => c.model.test],
  ])('%s', (_, override, value, get) => {
    expect(get(apply(override))).toEqual(value);
  });
});

test('the last of several for one key counts, and all others are kept', () => {
  const config = apply('run.batch=2', 'run.shards=7', 'run.batch=3');
  expect(config.run).toMatchObject({ batch: 3, shards: 7, workers: 2 });
});

test('the config that was given stays as it was', () => {
  const config = tinyConfig();
  applyOverrides(config, ['run.batch=9', 'model.backbone.taps=[0]'], 'x');
  expect(config).toEqual(tinyConfig());
});

test('a section that was left out can be given key by key', () => {
  const config = apply('reproduces.row=linear', 'reproduces.mIoU=47.2', 'reproduces.source=InternVL');
  expect(config.reproduces).toEqual({ row: 'linear', mIoU: 47.2, source: 'InternVL' });
});

describe('an override is refused', () => {
  test.each([
    ['run.bacth=4', 'override run.bacth: unknown key run.bacth; did you mean run.batch?'],
    ['rum.batch=4', 'override rum.batch: unknown key rum; did you mean run?'],
    ['run.batch.x=4', 'override run.batch.x: unknown key run.batch.x'],
    ['__proto__.x=4', /unknown key __proto__/],
    ['run.batch', "override 'run.batch': expected key.path=value, for example run.batch=4"],
    ['=4', "override '=4': expected key.path=value, for example run.batch=4"],
    [
      'run.batch=many',
      'configs/x.yaml with run.batch=many: run.batch: Invalid input: expected number, received string',
    ],
    ['run.batch=1.5', /run\.batch: Invalid input: expected int/],
    ['model.backbone.taps=9', /model\.backbone\.taps: Invalid input: expected array/],
    ['model.backbone.taps=[9]', /configs\/x\.yaml with .*: model\.backbone\.taps has 9/],
  ])('%s', (override, message) => {
    expect(() => apply(override)).toThrow(BadInput);
    expect(() => apply(override)).toThrow(message);
  });
});

test('another device brings its own precision, unless that is overridden as well', () => {
  expect(apply('run.device=cuda').run).toMatchObject({ device: 'cuda', precision: 'bfloat16' });
  expect(apply('run.device=cuda', 'run.precision=float16').run.precision).toBe('float16');
  expect(apply('run.batch=2').run).toMatchObject({ device: 'cpu', precision: 'float32' });
});
