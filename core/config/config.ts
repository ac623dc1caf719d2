import { z } from 'zod';
import { FAMILIES } from '../model/families/all.ts';
import { HEADS } from '../model/heads/all.ts';
import { auxiliarySchema } from '../model/heads/auxiliary.ts';
import type { VitModel } from './model-kinds.ts';
import { NotifySchema } from './notify.ts';
import { OnnxModelSchema } from './onnx-model.ts';
import { ReportSchema } from './report.ts';
import { TrainSchema } from './train.ts';
import { s3Uri } from './uris.ts';

/**
 * A run's recipe: what model, on what kind of data, with what test pipeline, how.
 * One YAML file under configs/ is one `Config`; every size is data, so that the tiny
 * model of the tests and the 6B are the same code.
 */
const positive = z.int().positive();

const backbone = z.discriminatedUnion('type', [
  FAMILIES.InternViT.schema,
  FAMILIES.DINOv2.schema,
  FAMILIES.DINOv3.schema,
]);

const test = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('slide'), cropPx: positive, stridePx: positive }),
  z.strictObject({ mode: z.literal('whole') }),
]);

const resize = z.discriminatedUnion('type', [
  /** Short side to `shortSidePx`, then both sides up to a multiple: SETR_Resize + ResizeToMultiple. */
  z.strictObject({ type: z.literal('short-side'), shortSidePx: positive, multiplePx: positive }),
  /** Exactly (widthPx, heightPx), ratio not kept: Resize(keep_ratio=False). */
  z.strictObject({ type: z.literal('exact'), widthPx: positive, heightPx: positive }),
  /** Short side to `shortSidePx` by Pillow's antialiased bilinear resize: DINOv3's own. */
  z.strictObject({ type: z.literal('pillow'), shortSidePx: positive }),
  /** The largest size that fits (longPx, shortPx), then up to a multiple: Resize(keep_ratio) + ResizeToMultiple. */
  z.strictObject({ type: z.literal('fit'), longPx: positive, shortPx: positive, multiplePx: positive }),
]);

const perChannel = z.tuple([z.number(), z.number(), z.number()]);

const byte = z.int().min(0).max(255);
/** A value in an annotation's file: of 8 or 16 bits. */
const labelId = z.int().min(0).max(65_535);
/** For each class the value, or the values, that mean it. */
const labelIds = z.array(z.union([labelId, z.array(labelId).min(1)])).min(1);
/** Values that mean no class. */
const ignoredIds = z.union([z.literal('others'), z.array(labelId)]);

const datasetClass = z.strictObject({ name: z.string(), color: z.tuple([byte, byte, byte]) });

export const DatasetClassesSchema = z
  .strictObject({
    name: z.string(),
    classes: z.array(datasetClass).min(1),
    /** What the dataset's server wants in a label map for each class (`--format-only`); class + 1, if absent. */
    submissionIds: z.array(labelId).optional(),
    /** The owner's label ids, where they are not the classes: for each class the value or values in its files. */
    labelIds: labelIds.optional(),
    /** Of the owner's label ids those that mean no class; `others`: all that no class has. */
    ignoredIds: ignoredIds.optional(),
  })
  .refine(({ classes, submissionIds }) => !submissionIds || submissionIds.length === classes.length, {
    error: 'expected one for each class',
    path: ['submissionIds'],
  })
  .refine(({ classes, labelIds }) => !labelIds || labelIds.length === classes.length, {
    error: 'expected one for each class',
    path: ['labelIds'],
  });

export const ANNOTATION_FORMATS = ['labels', 'ade20k-full', 'matlab'] as const;
export type AnnotationFormat = (typeof ANNOTATION_FORMATS)[number];

const pathBelow = z
  .string()
  .refine(isPathBelow, "expected a path below the dataset's root, such as images/validation");
const suffix = z
  .string()
  .regex(/\.[A-Za-z0-9]+$/, 'expected the end of a file name with its dot, such as .jpg or _leftImg8bit.png');

/** Where a dataset's files lie below its root, as in mmseg's custom datasets. */
export const DatasetLayoutSchema = z.strictObject({
  /** Images at any depth below count; one's id is its path from here, without the suffix. */
  imageDir: pathBelow,
  /** The annotation of an image lies here by the same id. */
  annotationDir: pathBelow,
  /** End of an image's file name, its dot included: `.jpg`. */
  imageSuffix: suffix,
  /** Such as `.png`, or `_gtFine_labelTrainIds.png`. */
  annotationSuffix: suffix,
  /** A text file with one id a line: only these images are taken. */
  splitFile: pathBelow.optional(),
  /**
   * `labels`, the default: PNGs of one channel (8 or 16 bits, or a palette) whose values are labels. `ade20k-full`: the *_seg.png of the
   * full ADE20K, whose values are ⌊red / 10⌋ × 256 + green. `matlab`: MATLAB files with the variable S or LabelMap.
   */
  annotationFormat: z.enum(ANNOTATION_FORMATS).optional(),
});

const dataset = z
  .strictObject({
    /** The dataset's name in mmseg's style: it is in file names and pages. */
    type: z.string(),
    /** Name of a file in configs/datasets with classes and palette, or the classes themselves, with a name or without. */
    classes: z.union([z.string(), z.array(datasetClass).min(1), DatasetClassesSchema], {
      error:
        'expected the name of a file in configs/datasets, or a list of { name, color: [red, green, blue] }',
    }),
    ...DatasetLayoutSchema.shape,
    /** Label 0 means "other" and is ignored; 1…n become 0…n−1. */
    reduceZeroLabel: z.boolean(),
    /** Value in the annotations that is not counted. Of more than 255 classes it is usually 65535. */
    ignoreIndex: labelId.default(255),
    /**
     * Value or values in the annotations for each class; `official`: the owner's label ids, as configs/datasets has them.
     * Absent: a value is the class itself, with reduceZeroLabel class + 1.
     */
    labelIds: z.union([z.literal('official'), labelIds]).optional(),
    /** With labelIds: values that are not counted, beside ignoreIndex; `others`: all that no class has. */
    ignoredIds: ignoredIds.optional(),
  })
  .refine(({ reduceZeroLabel, ignoreIndex }) => !reduceZeroLabel || [255, 65_535].includes(ignoreIndex), {
    error: 'expected 255 with reduceZeroLabel (65535 of 16-bit files), which makes it of what is ignored',
    path: ['ignoreIndex'],
  });

export const DEVICES = ['cpu', 'cuda'] as const;
export const PRECISIONS = ['float32', 'float16', 'bfloat16'] as const;

const run = z.strictObject({
  /** Crops of one inference batch. */
  batch: positive.max(1024),
  /** `cuda` takes one GPU for each worker. */
  device: z.enum(DEVICES),
  /** Arithmetic of the backbone; heads and averaging are always float32. May be left out: float32 on cpu, bfloat16 on cuda. */
  precision: z.enum(PRECISIONS),
  /** Memory of a worker's GPU, in GB: with it, a batch that is too large is refused before anything is launched. */
  deviceMemoryGb: z.number().positive().optional(),
  /**
   * Where a training keeps parameters and moments: on the `device`, or on the `host`, which needs less device memory and takes
   * longer. `auto`: on the device where they fit by `run.deviceMemoryGb`, else on the host.
   */
  state: z.enum(['auto', 'device', 'host']).default('auto'),
  /** Workers (pods, or processes on a laptop). */
  workers: positive.max(512),
  /** Shards that the dataset is cut into: more than workers, so that fast ones take more. */
  shards: positive.max(2_000),
  /** Threads of one worker's inference session; 0: one for each core. */
  threads: z.int().nonnegative().default(0),
  /** Overlays of image, truth and prediction in the report. */
  overlays: z.int().nonnegative().max(64).default(6),
  /** Every prediction painted over its image, as mmseg's --show-dir does: `show/<id>.jpg`. */
  show: z.strictObject({ opacity: z.number().gt(0).max(1).default(0.5) }).optional(),
  /** Label maps as PNG, `predictions/<id>.png`: class indices, or class + 1 as ADE20K's server wants them. */
  predictions: z.enum(['none', 'labels', 'submission']).default('none'),
  /** Beside mIoU, which is always there. */
  metrics: z.array(z.enum(['mDice', 'mFscore'])).default([]),
  /** Price of one worker for an hour, for the cost estimate in the results. */
  pricePerWorkerHour: z.number().nonnegative().default(0),
  /** Three letters, as in ISO 4217. */
  currency: z.string().length(3).default('USD'),
  /** The run ends once it is spent: an evaluation with a partial result, a training with its last checkpoint. */
  budget: z
    .strictObject({
      /** Hours of all workers together. */
      workerHours: z.number().positive().optional(),
      /** In `currency`, by `pricePerWorkerHour`. */
      money: z.number().positive().optional(),
    })
    .refine(({ workerHours, money }) => workerHours !== undefined || money !== undefined, {
      error: 'expected workerHours, money, or both',
    })
    .optional(),
  /** Recipients of a notice when the run ends. */
  notify: NotifySchema.optional(),
  /** Where else the run's figures are to be seen. */
  report: ReportSchema.optional(),
});

export const ConfigSchema = z.strictObject({
  /** Runs are named after it. */
  name: z.string().min(1),
  /** The row of the original's table that this reproduces, and the mIoU (percent) that it reports. */
  reproduces: z.strictObject({ row: z.string(), mIoU: z.number(), source: z.string() }).optional(),
  /** Where the weights are published: `hf://org/name`, or an https address; `head` where a trained head is, or a whole tuned model, too. */
  published: z.strictObject({ weights: z.string(), head: z.string().optional() }).optional(),
  model: z.discriminatedUnion(
    'type',
    [
      z.strictObject({
        /** A backbone and a head of ours; may be left out. */
        type: z.literal('vit').optional(),
        backbone,
        head: z.discriminatedUnion('type', [HEADS.linear.schema, HEADS.upernet.schema]),
        auxiliaryHead: auxiliarySchema.optional(),
        test,
      }),
      OnnxModelSchema.extend({
        /** The model in S3; files that it keeps weights in lie beside it. */
        file: s3Uri,
        test,
      }),
    ],
    {
      error: ({ code }) =>
        code === 'invalid_union'
          ? 'expected a model with a backbone and a head, or one of type onnx with a file'
          : undefined,
    },
  ),
  dataset,
  pipeline: z.strictObject({
    resize,
    mean: perChannel,
    std: perChannel,
    /** `opencv`: times 1 / std, in float64 rounded once, as mmcv; `torch`: divided by std in float32. */
    normalization: z.enum(['opencv', 'torch']).default('opencv'),
    /** Test-time augmentation: probabilities are averaged over all ratios, mirrored and not. */
    augmentation: z
      .strictObject({ ratios: z.array(z.number().positive()).min(1), flip: z.boolean() })
      .optional(),
  }),
  run,
  /** For `Train` only; an evaluation does not look at it. */
  train: TrainSchema.optional(),
});

export type Config = z.infer<typeof ConfigSchema>;
export type BackboneConfig = VitModel['backbone'];
export type DatasetConfig = Config['dataset'];
export type ResizeConfig = Config['pipeline']['resize'];
export type Device = (typeof DEVICES)[number];
export type Precision = (typeof PRECISIONS)[number];

/** Class names (with the original's odd spaces) and palette, RGB. */
export type DatasetClasses = z.infer<typeof DatasetClassesSchema>;

/** What a dataset's server wants in a label map for each class. @see mmseg 0.30 `results2img` of its datasets */
export function submissionIdsOf({ classes, submissionIds }: DatasetClasses): number[] {
  return submissionIds ?? classes.map((_, label) => label + 1);
}

function isPathBelow(path: string): boolean {
  return path.split('/').every((part) => !['', '.', '..'].includes(part));
}
