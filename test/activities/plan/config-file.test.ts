import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../../activities/plan/load-config.ts';
import { resolveConfig } from '../../../activities/plan/resolve-config.ts';
import { chosenConfig, defaultWorkflowId } from '../../../cli/inputs/chosen-config.ts';
import { TINY, tinyConfig } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});

/** Writes a file into the folder. @returns its path */
function file(name: string, value: unknown): string {
  const at = join(folder, name);
  mkdirSync(join(at, '..'), { recursive: true });
  writeFileSync(at, typeof value === 'string' ? value : stringify(value));
  return at;
}

const CLASSES = [
  { name: 'road', color: [128, 64, 128] },
  { name: 'sky', color: [70, 130, 180] },
];
const LAYOUT = {
  imageDir: 'img',
  annotationDir: 'ann',
  imageSuffix: '.png',
  annotationSuffix: '_labels.png',
  reduceZeroLabel: false,
};
const TWO_CLASSES = { model: { head: { classes: 2 } } };

describe('a config of one’s own', () => {
  test('inherits the published weights that fit what it changes', async () => {
    const base = 'dinov2_vits14_ade20k_linear';
    const { published } = await loadConfig(base);
    const like = async (name: string, changes: object) =>
      (await loadConfig(file(name, { base, ...changes }))).published;
    expect(published?.head).toBeDefined();
    expect(await like('run.yaml', { run: { batch: 3 } })).toEqual(published);
    expect(await like('head.yaml', { model: { head: { batchNormEps: 1e-3 } } })).toEqual({
      weights: published!.weights,
    });
    expect(await like('other.yaml', { model: { backbone: { normEps: 1e-5 } } })).toBeUndefined();
  });

  test('is based on one of configs/, is named after its file, and reproduces no row of the original', async () => {
    const base = await loadConfig('linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen');
    const mine = await loadConfig(
      file('mine.yaml', { base: base.name, run: { batch: 3 }, pipeline: { mean: [1, 2, 3] } }),
    );
    expect(mine).toEqual({
      ...base,
      name: 'mine',
      reproduces: undefined,
      run: { ...base.run, batch: 3 },
      pipeline: { ...base.pipeline, mean: [1, 2, 3] },
    });
  });

  test('is based on files beside it, each over its own base', async () => {
    file('bases/lowest.yaml', { ...TINY, name: 'lowest' });
    file('bases/middle.yaml', { base: 'lowest.yaml', run: { batch: 2, workers: 1 } });
    const top = file('top.yaml', { base: 'bases/middle.yaml', name: 'of mine', run: { workers: 3 } });
    const { name, run } = await loadConfig(top);
    expect({ name, batch: run.batch, workers: run.workers }).toEqual({
      name: 'of mine',
      batch: 2,
      workers: 3,
    });
  });

  test('takes a section of another kind as a whole', async () => {
    const whole = file('whole.yaml', { base: 'tiny', model: { test: { mode: 'whole' } } });
    expect((await loadConfig(whole)).model.test).toEqual({ mode: 'whole' });
  });

  test('brings classes and palette of a file beside it', async () => {
    file('sets/streets.yaml', { name: 'Streets', submissionIds: [7, 8], classes: CLASSES });
    const mine = file('mine.yaml', {
      base: 'tiny',
      dataset: { classes: 'sets/streets.yaml' },
      ...TWO_CLASSES,
    });
    const { config, overrides } = await chosenConfig(mine, ['run.batch=2']);
    expect(config).toMatchObject({ name: 'mine', run: { batch: 2 } });
    // What is sent says it all: it resolves where nothing of the folder is.
    const sent = await resolveConfig({ config, overrides } as never, 'EvalMIoU input');
    expect(sent.classes).toEqual({ name: 'Streets', submissionIds: [7, 8], classes: CLASSES });
  });

  test('brings a whole dataset of a file beside it: classes, palette and layout', async () => {
    file('streets.yaml', { name: 'Streets', classes: CLASSES, ...LAYOUT });
    const mine = await loadConfig(
      file('mine.yaml', { base: 'tiny', dataset: 'streets.yaml', ...TWO_CLASSES }),
    );
    expect(mine.dataset).toEqual({
      type: 'Streets',
      ignoreIndex: 255,
      ...LAYOUT,
      classes: { name: 'Streets', classes: CLASSES },
    });
  });

  test('names runs by its name, not by its path', async () => {
    const at = new Date('2026-11-24T21:50:03Z');
    const { resolved } = await chosenConfig(file('deep/er/mine.yaml', { base: 'tiny' }), []);
    expect(defaultWorkflowId(resolved, at)).toBe('mine-20261124-215003');
    expect(defaultWorkflowId({ name: '../a/b c' }, at)).toBe('a-b-c-20261124-215003');
  });
});

describe('a config of one’s own is refused', () => {
  test('with bases that lead back to it, or are not there, or no names', async () => {
    const one = file('one.yaml', { base: 'two.yaml' });
    file('two.yaml', { base: 'one.yaml' });
    await expect(loadConfig(one)).rejects.toThrow(`its bases lead back to ${one}`);
    await expect(loadConfig(file('x.yaml', { base: 'none.yaml' }))).rejects.toThrow(
      /none\.yaml: no such file$/,
    );
    await expect(loadConfig(file('x.yaml', { base: 'tiyn' }))).rejects.toThrow('did you mean tiny?');
    await expect(loadConfig(file('x.yaml', { base: [1] }))).rejects.toThrow('x.yaml: base: expected a file');
  });

  test('for keys and values, its own and those of its dataset’s file', async () => {
    await expect(loadConfig(file('x.yaml', { base: 'tiny', run: { bacth: 1 } }))).rejects.toThrow(
      /x\.yaml: unknown key run\.bacth; did you mean run\.batch\?$/,
    );
    file('set.yaml', { name: 'Set', classes: CLASSES, ...LAYOUT, imageSufix: '.png' });
    await expect(loadConfig(file('x.yaml', { base: 'tiny', dataset: 'set.yaml' }))).rejects.toThrow(
      /set\.yaml: unknown key imageSufix; did you mean imageSuffix\?$/,
    );
    await expect(loadConfig(file('x.yaml', { base: 'tiny', dataset: 'ade20k' }))).rejects.toThrow(
      'dataset: expected a section, or the name of a YAML file beside it',
    );
  });

  test('with more classes than its head has, and as a folder', async () => {
    file('set.yaml', { name: 'Set', classes: CLASSES });
    await expect(
      loadConfig(file('x.yaml', { base: 'tiny', dataset: { classes: 'set.yaml' } })),
    ).rejects.toThrow('dataset.classes lists 2, but model.head.classes is 150');
    file('folder.yaml/inside', 'x');
    await expect(loadConfig(join(folder, 'folder.yaml'))).rejects.toThrow('is a folder');
  });

  test('where only its name has arrived, with what sends it', async () => {
    await expect(resolveConfig({ config: '/no/such.yaml', overrides: [] }, 'EvalMIoU input')).rejects.toThrow(
      "/no/such.yaml: no such file on the control worker. 'tessera run'",
    );
  });
});

test('a name of configs/ stays one, and is checked all the same', async () => {
  expect(await chosenConfig('tiny', ['run.batch=2'])).toMatchObject({
    config: 'tiny',
    overrides: ['run.batch=2'],
  });
  await expect(chosenConfig('tiyn', [])).rejects.toThrow('did you mean tiny?');
  await expect(chosenConfig('tiny', ['run.bacth=2'])).rejects.toThrow('did you mean run.batch?');
  expect(tinyConfig().dataset.classes).toBe('ade20k');
});
