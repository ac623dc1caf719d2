import { describe, expect, test } from 'vitest';
import { EvalInputSchema } from '../../../core/config/eval.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { DatasetManifestSchema } from '../../../core/config/manifests.ts';
import { parseAs, parseInput } from '../../../core/config/parse.ts';
import { ResultsSchema } from '../../../core/config/results.ts';
import { StageDatasetInputSchema } from '../../../core/config/stage.ts';
import { TINY, tinyConfig } from '../../builders.ts';

const required = {
  config: 'tiny',
  weights: 's3://bucket/weights.pth',
  dataset: 's3://bucket/ade',
  output: 's3://bucket/runs',
};
const parse = (input: unknown) => parseAs(EvalInputSchema, input, 'EvalMIoU input');

describe('EvalMIoU', () => {
  test('needs a config, a dataset and an output, and has defaults for the rest', () => {
    expect(parse(required)).toEqual({
      ...required,
      version: 1,
      overrides: [],
      split: 'validation',
      deadlineMinutes: 1440,
      recompute: false,
    });
    // Weights don't go with every model: that is seen by the config.
    const { weights: _, ...always } = required;
    for (const key of Object.keys(always))
      expect(() => parse({ ...required, [key]: undefined })).toThrow(`EvalMIoU input: ${key}: Invalid input`);
  });

  test('takes a config itself, and gives it its defaults', () => {
    expect(parse({ ...required, config: TINY }).config).toEqual(tinyConfig());
  });

  test('names the nearest key for a typo, in an inline config as well', () => {
    expect(() => parse({ ...required, wieghts: 'x' })).toThrow(
      'EvalMIoU input: unknown key wieghts; did you mean weights?',
    );
    const config = { ...TINY, run: { ...TINY.run, bacth: 3 } };
    expect(() => parse({ ...required, config })).toThrow(
      'EvalMIoU input: unknown key config.run.bacth; did you mean config.run.batch?',
    );
  });

  test('says of an inline config what it says of a file, and takes one without its precision', () => {
    const refused = (run: object) => () =>
      parseInput(
        EvalInputSchema,
        { ...required, config: { ...TINY, run: { ...TINY.run, ...run } } },
        'input',
      );
    expect(refused({ batch: 'many' })).toThrow('input: config.run.batch: Invalid input: expected number');
    expect(refused({ batch: 0 })).toThrow('input: config.run.batch: Too small');
    expect(refused({ device: 'gpu' })).toThrow('input: config.run.device: Invalid option: expected one of');
    const { precision: _, ...run } = TINY.run;
    const { config } = parseInput(EvalInputSchema, { ...required, config: { ...TINY, run } }, 'input');
    expect(config).toEqual(tinyConfig());
  });

  test('takes labels as Kubernetes does', () => {
    const labels = { team: 'x', 'cost-centre': '4.2_a' };
    expect(parse({ ...required, labels }).labels).toEqual(labels);
    const refused = (given: object) => () => parse({ ...required, labels: given });
    expect(refused({ team: 'a b' })).toThrow(
      "EvalMIoU input: labels.team: expected letters, digits, '-', '_'",
    );
    expect(refused({ team: '' })).toThrow('labels.team: expected letters');
    expect(refused({ team: 'x'.repeat(64) })).toThrow('labels.team: expected at most 63 characters');
    expect(refused({ 'a/b': 'x' })).toThrow(
      "labels.a/b: expected letters, digits, '-', '_' and '.' in a label's name",
    );
    expect(refused({ [`k${'x'.repeat(50)}`]: 'x' })).toThrow("at most 50 characters in a label's name");
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'x']));
    expect(refused(many)).toThrow('labels: expected at most 16 labels, not 17');
  });

  test.each([
    'bucket/key',
    'S3://bucket/key',
    's3://Bucket/key',
    's3://b/key',
    's3://',
    '/tmp/x',
    'https://x/y',
  ])('refuses %s as a place', (weights) => {
    expect(() => parse({ ...required, weights })).toThrow('weights: expected s3://bucket/key');
  });

  test.each([0, -1, 10_081, Number.NaN])('refuses a deadline of %s minutes', (deadlineMinutes) => {
    expect(() => parse({ ...required, deadlineMinutes })).toThrow(BadInput);
  });

  test('refuses what is no object, and a version that it does not know', () => {
    expect(() => parse(null)).toThrow('EvalMIoU input: the whole: Invalid input: expected object');
    expect(() => parse({ ...required, version: 2 })).toThrow('version');
  });
});

test('StageDataset stages the validation split unless told otherwise', () => {
  const { source, destination, name, ...dataset } = {
    source: '/data/ade',
    destination: 's3://bucket/ade',
    name: 'ADE20K',
    imageDir: 'images',
    annotationDir: 'annotations',
    imageSuffix: '.jpg',
    annotationSuffix: '.png',
  };
  const input = { source, destination, name, ...dataset };
  expect(StageDatasetInputSchema.parse(input)).toEqual({
    ...input,
    version: 1,
    split: 'validation',
    check: false,
  });
  expect(() => StageDatasetInputSchema.parse({ ...input, imageSuffix: 'jpg' })).toThrow();
  expect(() => StageDatasetInputSchema.parse({ ...input, imageDir: '../other' })).toThrow();
  const listed = { ...input, splitFile: 'ImageSets/val.txt', imageSuffix: '_leftImg8bit.png' };
  expect(StageDatasetInputSchema.parse(listed)).toMatchObject(listed);
});

test('a manifest without images, or with a digest that is none, is refused', () => {
  const file = { key: 'a', sizeBytes: 1, sha256: '0'.repeat(64) };
  const image = { id: 'a', image: file, annotation: file, width: 1, height: 1 };
  const manifest = { version: 1, kind: 'dataset', name: 'x', split: 'validation', images: [image] };
  expect(DatasetManifestSchema.safeParse(manifest).success).toBe(true);
  expect(DatasetManifestSchema.safeParse({ ...manifest, images: [] }).success).toBe(false);
  const damaged = { ...image, image: { ...file, sha256: 'A'.repeat(64) } };
  expect(DatasetManifestSchema.safeParse({ ...manifest, images: [damaged] }).success).toBe(false);
});

test('results hold a config with its defaults, and no share above 1', () => {
  const { run, metrics } = ResultsSchema.shape;
  const times = { startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:01:00Z', seconds: 60 };
  const ids = { workflowId: 'w', runId: 'r', codeVersion: '1', imageDigest: null };
  expect(run.parse({ ...ids, ...times, config: TINY }).config).toEqual(tinyConfig());
  expect(run.safeParse({ ...ids, ...times, startedAt: 'yesterday', config: TINY }).success).toBe(false);
  expect(metrics.safeParse({ aAcc: 1, mIoU: null, mAcc: 0 }).success).toBe(true);
  expect(metrics.safeParse({ aAcc: 47.2, mIoU: null, mAcc: 0 }).success).toBe(false);
});
