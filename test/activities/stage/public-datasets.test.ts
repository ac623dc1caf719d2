import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadClasses } from '../../../activities/plan/load-config.ts';
import { BadData, BadInput } from '../../../core/config/failures.ts';
import type { Labels } from '../../../core/image/label-map.ts';
import { jpegOf } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { matOf } from './hand-made-mat.ts';
import { zipOf } from './hand-made-zip.ts';
import {
  configOf,
  evaluated,
  greyOf,
  labelsOf,
  matrixOf,
  paletteOf,
  photographOf,
  sectionOf,
  write,
} from './whole-dataset.ts';

/*
 * Each public dataset in the layout, suffixes and label ids of its owner, by the section that the header of its file in
 * configs/datasets shows. Truth is written as classes here, and turned into the files' values by tables written here.
 */
const PIXELS = 40 * 30;

/** Values of a file out of classes: `idOf(class)`, and one of `ignored` where there is no class. */
function valuesOf(truth: Labels, idOf: (label: number) => number, ignored: number[]): Uint8Array {
  return Uint8Array.from(truth, (label, i) => (label >= 255 ? ignored[i % ignored.length]! : idOf(label)));
}

function zipFile(folder: string, name: string, files: Record<string, Buffer>): string {
  const path = join(folder, name);
  writeFileSync(path, zipOf(Object.entries(files).map(([entry, data]) => ({ name: entry, data }))));
  return path;
}

describe('Cityscapes, as its two zips are downloaded', () => {
  const ID = 'frankfurt/frankfurt_000000_000294';
  // cityscapesScripts' labels.py: ids of the classes that are evaluated, and of the others.
  const IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33];
  const VOID = [0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30];
  const truth = new Map([[ID, labelsOf(19, 1)]]);

  function zips(values: Uint8Array) {
    const folder = temporaryFolder();
    const images = zipFile(folder, 'leftImg8bit_trainvaltest.zip', {
      README: Buffer.from('read me'),
      [`leftImg8bit/val/${ID}_leftImg8bit.png`]: photographOf(1),
      'leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png': photographOf(2),
    });
    const annotations = zipFile(folder, 'gtFine_trainvaltest.zip', {
      'license.txt': Buffer.from('license'),
      [`gtFine/val/${ID}_gtFine_labelIds.png`]: greyOf(values),
      [`gtFine/val/${ID}_gtFine_color.png`]: photographOf(3),
      [`gtFine/val/${ID}_gtFine_polygons.json`]: Buffer.from('{}'),
    });
    return { images, annotations };
  }

  test('label ids become the 19 classes, the others are not counted', async () => {
    const { images, annotations } = zips(valuesOf(truth.get(ID)!, (label) => IDS[label]!, VOID));
    const config = configOf(19, sectionOf('cityscapes'));
    const { run, counts, predictions, manifest } = await evaluated(images, config, annotations);
    expect(run.imageIds).toEqual([ID]);
    expect(manifest.images[0]!.annotation!.key).toBe(`gtFine/val/${ID}_gtFine_labelIds.png`);
    expect(counts).toEqual(matrixOf(19, truth, predictions));
    expect(counts.some((count) => count > 0)).toBe(true);
  });

  test('an id that the dataset does not have is refused by its place', async () => {
    const { images, annotations } = zips(new Uint8Array(PIXELS).fill(7).fill(34, 41, 42));
    const refusal = evaluated(images, configOf(19, sectionOf('cityscapes')), annotations);
    await expect(refusal).rejects.toThrow(BadData);
    await expect(refusal).rejects.toThrow(
      /_gtFine_labelIds\.png: label 34 at x=1, y=1; expected one of dataset\.labelIds \(7, 8, .* \(19 values\)\)/,
    );
  });

  test('annotations that are missing in their zip are named by it', async () => {
    const { images } = zips(new Uint8Array(PIXELS));
    const empty = zipFile(temporaryFolder(), 'gt.zip', {
      'gtFine/val/a/b_gtFine_labelIds.png': Buffer.from('x'),
    });
    await expect(evaluated(images, configOf(19, sectionOf('cityscapes')), empty)).rejects.toThrow(
      `${empty}: gtFine/val/${ID}_gtFine_labelIds.png: missing, the annotation of leftImg8bit/val/${ID}`,
    );
  });
});

describe('COCO-Stuff 164k', () => {
  const ID = '000000000139';
  // Category ids (less one) that no annotation has: street sign, hat, shoe, eye glasses, plate, mirror, …
  const ABSENT = [11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90];
  const ids = Array.from({ length: 182 }, (_, id) => id).filter((id) => !ABSENT.includes(id));
  const truth = new Map([[ID, labelsOf(171, 2)]]);
  const annotation = greyOf(valuesOf(truth.get(ID)!, (label) => ids[label]!, [255]));

  test('is staged from val2017.zip and stuffthingmaps_trainval2017.zip: both have a folder val2017', async () => {
    const folder = temporaryFolder();
    const images = zipFile(folder, 'val2017.zip', { [`val2017/${ID}.jpg`]: await jpegOf(40, 30, 1) });
    const maps = zipFile(folder, 'stuffthingmaps_trainval2017.zip', {
      'train2017/000000000009.png': annotation,
      [`val2017/${ID}.png`]: annotation,
    });
    const config = configOf(171, sectionOf('coco-stuff-164k'));
    const { run, counts, predictions, manifest } = await evaluated(images, config, maps);
    expect(run.classes.classes[0]!.name).toBe('person');
    expect(run.classes.classes[170]!.name).toBe('wood');
    expect(manifest.images[0]).toMatchObject({
      image: { key: `images/val2017/${ID}.jpg` },
      annotation: { key: `annotations/val2017/${ID}.png` },
    });
    expect(counts).toEqual(matrixOf(171, truth, predictions));
  });

  test('is staged from a folder, and from one whose files mmseg has converted', async () => {
    const root = temporaryFolder();
    write(root, {
      [`images/val2017/${ID}.jpg`]: await jpegOf(40, 30, 1),
      [`annotations/val2017/${ID}.png`]: annotation,
      [`annotations/val2017/${ID}_labelTrainIds.png`]: greyOf(truth.get(ID)!),
    });
    const section = sectionOf('coco-stuff-164k');
    const official = await evaluated(root, configOf(171, section));
    const converted = { ...section, labelIds: undefined, annotationSuffix: '_labelTrainIds.png' };
    const trainIds = await evaluated(root, configOf(171, converted));
    expect(official.counts).toEqual(matrixOf(171, truth, official.predictions));
    expect(trainIds.counts).toEqual(official.counts);
  });
});

describe('COCO-Stuff 10k', () => {
  const ID = 'COCO_train2014_000000000077';
  const truth = new Map([[ID, labelsOf(171, 3)]]);
  // The label ids of version 1.1 are COCO's categories, 1 to 182; 0 is unlabelled.
  const ABSENT = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91];
  const ids = Array.from({ length: 182 }, (_, i) => i + 1).filter((id) => !ABSENT.includes(id));

  test('is staged from cocostuff-10k-v1.1.zip, whose annotations are MATLAB files', async () => {
    const values = valuesOf(truth.get(ID)!, (label) => ids[label]!, [0]);
    const mat = matOf([
      { name: 'names', width: 1, height: 1, values: [1] },
      { name: 'S', width: 40, height: 30, values },
    ]);
    const zip = zipFile(temporaryFolder(), 'cocostuff-10k-v1.1.zip', {
      [`images/${ID}.jpg`]: await jpegOf(40, 30, 1),
      'images/COCO_train2014_000000000001.jpg': await jpegOf(40, 30, 2),
      [`annotations/${ID}.mat`]: mat,
      'imageLists/test.txt': Buffer.from(`${ID}\n`),
      'imageLists/train.txt': Buffer.from('COCO_train2014_000000000001\n'),
    });
    const config = configOf(171, sectionOf('coco-stuff-10k'));
    const { run, counts, predictions } = await evaluated(zip, config);
    expect(run.imageIds).toEqual([ID]);
    expect(counts).toEqual(matrixOf(171, truth, predictions));
  });

  test('is refused where a label map has another size than its image', async () => {
    const root = temporaryFolder();
    write(root, {
      [`images/${ID}.jpg`]: await jpegOf(40, 30, 1),
      [`annotations/${ID}.mat`]: matOf([{ name: 'S', width: 30, height: 40, values: new Uint8Array(1200) }]),
      'imageLists/test.txt': ID,
    });
    await expect(evaluated(root, configOf(171, sectionOf('coco-stuff-10k')))).rejects.toThrow(
      /\.mat: 30×40 px, but its image is 40×30/,
    );
  });

  test('is staged in the layout that mmseg makes of it', async () => {
    const root = temporaryFolder();
    const png = greyOf(valuesOf(truth.get(ID)!, (label) => label + 1, [0]));
    write(root, {
      [`images/test2014/${ID}.jpg`]: await jpegOf(40, 30, 1),
      [`annotations/test2014/${ID}_labelTrainIds.png`]: png,
    });
    const section = {
      ...sectionOf('coco-stuff-10k'),
      imageDir: 'images/test2014',
      annotationDir: 'annotations/test2014',
      annotationSuffix: '_labelTrainIds.png',
      annotationFormat: undefined,
      labelIds: undefined,
      splitFile: undefined,
      reduceZeroLabel: true,
    };
    const { counts, predictions } = await evaluated(root, configOf(171, section));
    expect(counts).toEqual(matrixOf(171, truth, predictions));
  });
});

describe('Pascal Context', () => {
  const ID = '2008_000002';
  async function voc2010(folder: string, png: Buffer): Promise<string> {
    const root = temporaryFolder();
    write(root, {
      [`JPEGImages/${ID}.jpg`]: await jpegOf(40, 30, 1),
      [`${folder}/${ID}.png`]: png,
      'ImageSets/SegmentationContext/val.txt': `${ID}\n`,
    });
    return root;
  }

  test('60 classes: the background is one; 59: it is not counted', async () => {
    const labels = labelsOf(60, 4).map((label) => Math.min(label, 59));
    const root = await voc2010('SegmentationClassContext', paletteOf(labels));
    const all = await evaluated(root, configOf(60, sectionOf('pascal-context-60')));
    expect(all.counts).toEqual(matrixOf(60, new Map([[ID, labels]]), all.predictions));
    const without = await evaluated(root, configOf(59, sectionOf('pascal-context-59')));
    const reduced = labels.map((label) => (label === 0 ? 255 : label - 1));
    expect(without.counts).toEqual(matrixOf(59, new Map([[ID, reduced]]), without.predictions));
  });

  test("59_context_labels has its classes in the owner's order", async () => {
    const { classes } = await loadClasses('pascal-context-60');
    // The owner's 59_labels.txt: aeroplane, bicycle, bird, boat are 1 to 4, truck is 55, wood 59.
    const owner = {
      background: 0,
      aeroplane: 1,
      bicycle: 2,
      bird: 3,
      boat: 4,
      table: 11,
      truck: 55,
      wood: 59,
    };
    const names = Object.keys(owner);
    const truth = Uint8Array.from({ length: PIXELS }, (_, i) =>
      classes.findIndex(({ name }) => name === names[i % names.length]),
    );
    const values = truth.map((_, i) => Object.values(owner)[i % names.length]!);
    const root = await voc2010('59_context_labels', greyOf(values));
    const section = {
      ...sectionOf('pascal-context-60'),
      annotationDir: '59_context_labels',
      labelIds: 'official',
    };
    const { counts, predictions } = await evaluated(root, configOf(60, section));
    expect(counts).toEqual(matrixOf(60, new Map([[ID, truth]]), predictions));
  });
});

test.each([
  ['v1.2', 66, 'validation/labels'],
  ['v2.0', 124, 'validation/v2.0/labels'],
])(
  'Mapillary Vistas %s: %i classes, palette PNGs, "Unlabeled" is not counted',
  async (version, classes, folder) => {
    const id = '_1Gn_xkw7sa_i9GU4mkxxQ';
    const labels = labelsOf(classes, 5).map((label) => Math.min(label, classes - 1));
    const root = temporaryFolder();
    write(root, {
      [`validation/images/${id}.jpg`]: await jpegOf(40, 30, 1),
      [`${folder}/${id}.png`]: paletteOf(labels),
    });
    const config = configOf(classes, sectionOf(`mapillary-vistas-${version}`));
    const { counts, predictions } = await evaluated(root, config);
    const counted = labels.map((label) => (label === classes - 1 ? 255 : label));
    expect(counts).toEqual(matrixOf(classes, new Map([[id, counted]]), predictions));
  },
);

test('VOC, augmented: SegmentationClassAug and trainaug.txt', async () => {
  const id = '2007_000032';
  const truth = new Map([[id, labelsOf(21, 6)]]);
  const root = temporaryFolder();
  write(root, {
    [`JPEGImages/${id}.jpg`]: await jpegOf(40, 30, 1),
    [`SegmentationClassAug/${id}.png`]: greyOf(truth.get(id)!),
    'ImageSets/Segmentation/trainaug.txt': `${id}\n`,
  });
  const section = {
    ...sectionOf('pascal-voc'),
    annotationDir: 'SegmentationClassAug',
    splitFile: 'ImageSets/Segmentation/trainaug.txt',
  };
  const { counts, predictions } = await evaluated(root, configOf(21, section));
  expect(counts).toEqual(matrixOf(21, truth, predictions));
});

test('a tar is refused with what to do', async () => {
  const tar = join(temporaryFolder(), 'VOCtrainval_11-May-2012.tar');
  writeFileSync(tar, 'x');
  const refusal = evaluated(tar, configOf(21, sectionOf('pascal-voc')));
  await expect(refusal).rejects.toThrow(BadInput);
  await expect(refusal).rejects.toThrow(
    `${tar}: only zips are read as they are; unpack it, and give the folder`,
  );
});
