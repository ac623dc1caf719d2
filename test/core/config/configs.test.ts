import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CONFIGS, listConfigs, loadClasses, loadVitConfig } from '../../../activities/plan/load-config.ts';
import { classesOf, vitConfig } from '../../../core/config/model-kinds.ts';
import { parseConfig } from '../../../core/config/parse.ts';
import { scaleConfig } from '../../../core/config/scale-config.ts';

const names = await listConfigs();
const datasets = await readdir(join(CONFIGS, 'datasets'));

test('there are configs, the demo among them', () => {
  expect(names).toContain('tiny');
  expect(names.some((name) => name.startsWith('datasets'))).toBe(false);
});

describe.each(names)('configs/%s.yaml', (name) => {
  test('is a valid config, named as its file, and its dataset has as many classes as its head', async () => {
    const config = await loadVitConfig(name);
    expect(config.name).toBe(basename(name));
    const { classes } = await loadClasses(config.dataset.classes);
    expect(classes).toHaveLength(classesOf(config.model));
  });

  test('says in its header what it reproduces', async () => {
    const { reproduces } = await loadVitConfig(name);
    const header = headerOf(`${name}.yaml`);
    expect(header.length).toBeGreaterThan(20);
    if (!reproduces) return;
    expect(header.toLowerCase()).toContain(reproduces.row.toLowerCase());
    expect(header).toContain(`${reproduces.mIoU}`);
  });
});

describe("the original's recipes", () => {
  const RECIPE = {
    batch: 16,
    optimizer: { lr: 4e-5, betas: [0.9, 0.999], eps: 1e-8 },
    schedule: { power: 1, minLr: 0, warmup: { ratio: 1e-6 } },
    augmentation: {
      longPx: 2016,
      shortPx: 504,
      ratioRange: [0.5, 2],
      catMaxRatio: 0.75,
      flip: 0.5,
      photometricDistortion: true,
    },
    checkpointEvery: 1000,
    evaluateEvery: 1000,
  };

  test.each([
    [/^linear_probing/, 80_000, 1500, { weightDecay: 0, dropout: 0, images: undefined }],
    [/^head_tuning/, 80_000, 1500, { weightDecay: 0.05, dropout: 0.1, images: undefined }],
    [/^full_tuning/, 80_000, 1500, { weightDecay: 0.05, dropout: 0.1, images: undefined }],
    [/1of16$/, 5_000, 100, { weightDecay: 0.05, dropout: 0, images: 1263 }],
    [/1of8$/, 10_000, 200, { weightDecay: 0.05, dropout: 0, images: 2526 }],
    [/1of4$/, 20_000, 400, { weightDecay: 0.05, dropout: 0, images: 5052 }],
    [/1of2$/, 40_000, 800, { weightDecay: 0.05, dropout: 0, images: 10_105 }],
    [/1of1$/, 80_000, 1500, { weightDecay: 0.05, dropout: 0, images: undefined }],
  ])('%s: %i steps, %i of them warm-up', async (part, steps, warmup, { weightDecay, dropout, images }) => {
    const { train } = await loadVitConfig(names.find((name) => part.test(name))!);
    expect(train).toMatchObject({ ...RECIPE, steps, dropout });
    expect(train?.schedule.warmup.steps).toBe(warmup);
    expect(train?.optimizer.weightDecay).toBe(weightDecay);
    expect(train?.data.images).toBe(images);
  });

  test.each([
    ['head_tuning', 1],
    ['full_tuning', 2],
  ])("%s has the original's auxiliary head, on level %i", async (folder, level) => {
    const name = names.find((config) => config.startsWith(`${folder}/`))!;
    const { model, train } = await loadVitConfig(name);
    expect(model.auxiliaryHead).toEqual({ channels: 1536, level, classes: 150 });
    expect(train?.auxiliaryLossWeight).toBe(0.4);
  });

  test('of the eight rows two train a head, and six every parameter, with drop path and layer decay', async () => {
    const rows = names.filter((name) => /^(linear_probing|head_tuning|full_tuning|few_shot)\//.test(name));
    expect(rows).toHaveLength(8);
    for (const name of rows) {
      const { model, train } = await loadVitConfig(name);
      const isFrozen = name.endsWith('_frozen');
      expect(train, name).toMatchObject({
        trainable: isFrozen ? 'head' : 'all',
        dropPathRate: isFrozen ? 0 : 0.4,
        optimizer: { layerDecayRate: isFrozen ? 1 : 0.95 },
      });
      const taps = { linear_probing: [44], few_shot: [47] }[name.split('/')[0]!] ?? [11, 23, 35, 47];
      expect(model.backbone.taps, name).toEqual(taps);
    }
  });

  test('a recipe scales with its pixels', async () => {
    const config = await loadVitConfig(names.find((name) => name.startsWith('head_tuning/'))!);
    const scale = { imageSizePx: 56, embedDim: 16, heads: 2, headChannels: 8 };
    const { model, train } = vitConfig(parseConfig(scaleConfig(config, scale), 'scaled'));
    expect(train?.augmentation).toMatchObject({ longPx: 224, shortPx: 56 });
    expect(train?.steps).toBe(80_000);
    expect(model.auxiliaryHead?.channels).toBe(8);
  });
});

describe.each(datasets)('configs/datasets/%s', (file) => {
  test('has classes of different names, and colours of bytes', async () => {
    const { classes } = await loadClasses(basename(file, '.yaml'));
    expect(new Set(classes.map(({ name }) => name)).size).toBe(classes.length);
    expect(classes.flatMap(({ color }) => color).every((value) => value >= 0 && value <= 255)).toBe(true);
  });
});

test("ADE20K's class names keep their odd spaces", async () => {
  const { classes } = await loadClasses('ade20k');
  expect(classes).toHaveLength(150);
  expect(classes.map(({ name }) => name)).toContain('bed ');
});

/** The comment before the first key. */
function headerOf(file: string): string {
  const lines = readFileSync(join(CONFIGS, file), 'utf8').split('\n');
  return lines
    .slice(
      0,
      lines.findIndex((line) => !line.startsWith('#')),
    )
    .join('\n');
}
