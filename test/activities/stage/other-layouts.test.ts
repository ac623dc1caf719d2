import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { CONFIGS } from '../../../activities/plan/load-config.ts';
import { stageDataset } from '../../../activities/stage/stage-dataset.ts';
import { stageWeights } from '../../../activities/stage/stage-weights.ts';
import type { Config } from '../../../core/config/config.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { DatasetManifestSchema } from '../../../core/config/manifests.ts';
import { parseConfig } from '../../../core/config/parse.ts';
import { decodeMatrix } from '../../../core/metric/matrix-codec.ts';
import { createRandom, jpegOf, randomCheckpoint, TINY } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { openEvaluator } from '../evaluate/shard-task.ts';
import { pngOf } from '../images/hand-made-png.ts';
import { plannedRun } from '../plan/plan-of.ts';

const HOOKS = { signal: new AbortController().signal, onProgress: () => {} };
const IGNORED = 255;

/** The dataset section that a file in configs/datasets shows in its header. */
function sectionOf(name: string): Record<string, unknown> {
  const lines = readFileSync(join(CONFIGS, 'datasets', `${name}.yaml`), 'utf8').split('\n');
  const shown = lines.filter((line) => /^# {3}/.test(line)).map((line) => line.slice(4));
  return parse(shown.join('\n')).dataset;
}

/** The tiny model with another head, on another dataset. */
function configOf(classes: number, dataset: Record<string, unknown>): Config {
  const head = { ...TINY.model.head, classes };
  return parseConfig({ ...TINY, model: { ...TINY.model, head }, dataset }, 'test');
}

/** Labels of a 40×30 image: all classes and the ignored one, the same for the same seed. */
function labelsOf(classes: number, seed: number): Uint8Array {
  const random = createRandom(seed);
  const any = () => (random() < 0.1 ? IGNORED : Math.floor(classes * random()));
  return Uint8Array.from({ length: 40 * 30 }, any);
}

/** The PNG of a photograph, which is what Cityscapes has. */
function photographOf(seed: number): Buffer {
  const random = createRandom(seed);
  const data = Uint8Array.from({ length: 40 * 30 * 3 }, () => 256 * random());
  return Buffer.from(encode({ width: 40, height: 30, data, channels: 3, depth: 8 }));
}

function greyOf(labels: Uint8Array): Buffer {
  return Buffer.from(encode({ width: 40, height: 30, data: labels, channels: 1, depth: 8 }));
}

/** An annotation as VOC has them: an index into a palette of colours. */
function paletteOf(labels: Uint8Array): Buffer {
  const rows = Array.from({ length: 30 }, (_, y) => [...labels.subarray(40 * y, 40 * (y + 1))]);
  const palette = Array.from({ length: 256 }, (_, i) => [i, 255 - i, (7 * i) % 256]);
  return pngOf({ width: 40, height: 30, depth: 8, color: 'palette', palette, rows });
}

function write(root: string, files: Record<string, Buffer | string>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
}

/** Stages, plans and evaluates all that a folder has, with a random model. */
async function evaluated(source: string, config: Config) {
  const store = memoryStore();
  const { imageDir, annotationDir, imageSuffix, annotationSuffix, splitFile } = config.dataset;
  const layout = { imageDir, annotationDir, imageSuffix, annotationSuffix, splitFile };
  const dataset = 's3://bucket/data';
  const { manifestUri } = await stageDataset(
    store,
    { source, destination: dataset, name: 'other', ...layout },
    HOOKS,
  );
  const weights = 's3://bucket/weights.pth';
  const file = join(temporaryFolder(), 'weights.pth');
  writeFileSync(file, randomCheckpoint(config.model));
  await stageWeights(store, { source: file, destination: weights }, HOOKS);

  const run = await plannedRun(store, { config, weights, dataset, output: 's3://bucket/runs' });
  const { evaluate, predictions } = openEvaluator(store);
  const counts = new Float64Array(config.model.head.classes ** 2);
  for (const range of run.shards) {
    const result = await evaluate({
      run,
      range,
      overlays: [],
      classes: null,
      labelIds: run.labelIds,
      batch: config.run.batch,
    });
    for (const [i, count] of decodeMatrix(result.matrix).counts.entries()) counts[i]! += count;
  }
  const manifest = DatasetManifestSchema.parse(JSON.parse((await store.read(manifestUri)).toString()));
  return { run, counts, predictions, manifest };
}

/** The confusion matrix by the definition: label c is row c, 255 is not counted. */
function matrixOf(classes: number, truth: Map<string, Uint8Array>, predictions: Map<string, Uint8Array>) {
  const counts = new Float64Array(classes ** 2);
  for (const [id, labels] of truth)
    for (const [i, label] of labels.entries())
      if (label !== IGNORED) counts[label * classes + predictions.get(id)![i]!]! += 1;
  return counts;
}

describe('Cityscapes', () => {
  const FRANKFURT = 'frankfurt/frankfurt_000000_000294';
  const LINDAU = 'lindau/lindau_000001_000019';
  const truth = new Map([FRANKFURT, LINDAU].map((id, i) => [id, labelsOf(19, i)]));

  /** A folder for each city, and beside the labels of training the ones that nobody trains on. */
  function cityscapes(): string {
    const root = temporaryFolder();
    for (const [i, [id, labels]] of [...truth].entries()) {
      write(root, {
        [`leftImg8bit/val/${id}_leftImg8bit.png`]: photographOf(i),
        [`gtFine/val/${id}_gtFine_labelTrainIds.png`]: greyOf(labels),
        [`gtFine/val/${id}_gtFine_labelIds.png`]: greyOf(labels.map((label) => label + 7)),
        [`gtFine/val/${id}_gtFine_polygons.json`]: '{}',
      });
    }
    return root;
  }

  test('is staged, planned and evaluated: cities as folders, PNG images, 19 classes, label 0 counts', async () => {
    const config = configOf(19, sectionOf('cityscapes'));
    const { run, counts, predictions, manifest } = await evaluated(cityscapes(), config);
    expect(run.imageIds).toEqual([FRANKFURT, LINDAU]);
    expect(run.classes.classes[18]).toEqual({ name: 'bicycle', color: [119, 11, 32] });
    expect(manifest.images[0]).toMatchObject({
      ...{ id: FRANKFURT, width: 40, height: 30 },
      image: { key: `leftImg8bit/val/${FRANKFURT}_leftImg8bit.png` },
      annotation: { key: `gtFine/val/${FRANKFURT}_gtFine_labelTrainIds.png` },
    });
    expect(counts).toEqual(matrixOf(19, truth, predictions));
    // Label 0 is a class, and were all predictions of one class, this would say little.
    expect(counts.subarray(0, 19).some((count) => count > 0)).toBe(true);
    expect(new Set([...predictions.values()].flatMap((labels) => [...labels])).size).toBeGreaterThan(3);
  });

  test('whose cities are links to another disk has the same images', async () => {
    const disk = cityscapes();
    const root = temporaryFolder();
    for (const folder of ['leftImg8bit', 'gtFine']) {
      mkdirSync(join(root, folder, 'val'), { recursive: true });
      for (const city of ['frankfurt', 'lindau'])
        symlinkSync(join(disk, folder, 'val', city), join(root, folder, 'val', city));
    }
    const { run } = await evaluated(root, configOf(19, sectionOf('cityscapes')));
    expect(run.imageIds).toEqual([FRANKFURT, LINDAU]);
  });

  test('with a folder that links to itself is refused', async () => {
    const root = cityscapes();
    symlinkSync(join(root, 'leftImg8bit'), join(root, 'leftImg8bit/val/again'));
    const refusal = evaluated(root, configOf(19, sectionOf('cityscapes')));
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow('more than 16 folders deep: a link to itself?');
  });
});

describe('Pascal VOC', () => {
  const IDS = ['2007_000033', '2007_000042', '2008_000008'];
  const truth = new Map(IDS.map((id, i) => [id, labelsOf(21, i)]));

  /** Most images have no annotation: the split file lists those that have. */
  async function voc(split = '2007_000042\r\n2007_000033\n\n'): Promise<string> {
    const root = temporaryFolder();
    write(root, { 'ImageSets/Segmentation/val.txt': split });
    for (const [i, id] of ['2007_000027', ...IDS].entries())
      write(root, { [`JPEGImages/${id}.jpg`]: await jpegOf(40, 30, i) });
    for (const [id, labels] of truth) write(root, { [`SegmentationClass/${id}.png`]: paletteOf(labels) });
    return root;
  }

  test('is staged, planned and evaluated: a split file, labels out of a palette, 21 classes', async () => {
    const config = configOf(21, sectionOf('pascal-voc'));
    const { run, counts, predictions } = await evaluated(await voc(), config);
    expect(run.imageIds).toEqual(['2007_000033', '2007_000042']);
    expect(run.classes.classes[0]).toEqual({ name: 'background', color: [0, 0, 0] });
    const listed = new Map([...truth].slice(0, 2));
    expect(counts).toEqual(matrixOf(21, listed, predictions));
    expect(counts.reduce((sum, count) => sum + count)).toBe(
      [...listed.values()].flatMap((labels) => [...labels]).filter((label) => label !== IGNORED).length,
    );
  });

  test('takes its classes out of the config as well', async () => {
    const classes = Array.from({ length: 21 }, (_, i) => ({ name: `class ${i}`, color: [i, i, i] }));
    const config = configOf(21, { ...sectionOf('pascal-voc'), classes });
    const { run } = await evaluated(await voc(), config);
    expect(run.classes.classes).toEqual(classes);
  });

  test.each<[string, string, RegExp]>([
    ['with an empty split file', '\n', /val\.txt: lists no image/],
    [
      'that lists an image twice',
      '2007_000042\n2007_000033\n2007_000042',
      /val\.txt: line 3: 2007_000042: listed before, in line 1/,
    ],
    ['that lists what is no id', '../2007_000042', /val\.txt: line 1: \.\.\/2007_000042: no image id/],
    [
      'that lists names with their suffix',
      '2007_000042.jpg',
      /JPEGImages\/2007_000042\.jpg\.jpg: missing, listed in ImageSets\/Segmentation\/val\.txt/,
    ],
    [
      'that lists an image without annotation',
      '2007_000027',
      /SegmentationClass\/2007_000027\.png: missing, the annotation of JPEGImages\/2007_000027\.jpg/,
    ],
  ])('is refused %s', async (_, split, message) => {
    const refusal = evaluated(await voc(split), configOf(21, sectionOf('pascal-voc')));
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow(message);
  });

  test('is refused without its split file', async () => {
    const section = { ...sectionOf('pascal-voc'), splitFile: 'ImageSets/Segmentation/none.txt' };
    const refusal = evaluated(await voc(), configOf(21, section));
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow('ImageSets/Segmentation/none.txt: no such file');
  });
});
