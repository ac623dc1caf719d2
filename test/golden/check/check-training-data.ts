import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { decodeAnnotation, decodeImage } from '../../../activities/images/decode.ts';
import { parseAs } from '../../../core/config/parse.ts';
import { cropLabels, flipLabels, inBytes, resizeNearest } from '../../../core/image/label-map.ts';
import { normalize, padImage, padLabels } from '../../../core/image/normalize.ts';
import { flipHorizontally, reduceZeroLabel } from '../../../core/image/preprocess.ts';
import { resizeBilinear, resizeWindow } from '../../../core/image/resize.ts';
import { headSpecs } from '../../../core/model/head.ts';
import { augment, drawSize, drawWindow, isFlipped, type LabelledImage } from '../../../core/train/augment.ts';
import { parameterGroups } from '../../../core/train/parameter-groups.ts';
import { distort } from '../../../core/train/photometric.ts';
import { learningRate } from '../../../core/train/schedule.ts';
import { sha256, toBgr } from './check-preprocessing.ts';
import { compareValues, type Row, verdict } from './compare.ts';
import type { GoldenFolder } from './manifest.ts';
import { fromMmcv } from './mmcv-config.ts';
import { DrawSchema, replay } from './replay-draws.ts';

const Cases = z.array(
  z.looseObject({
    image: z.string(),
    annotation: z.string(),
    scale: z.tuple([z.int(), z.int()]),
    flip: z.boolean(),
    stages: z.array(
      z.looseObject({
        stage: z.string(),
        draws: z.array(DrawSchema),
        img_sha256: z.string(),
        seg_sha256: z.string().optional(),
      }),
    ),
  }),
);
type Case = z.infer<typeof Cases>[number];

const AugmentationRun = z.looseObject({ cases: z.string(), config: z.string().optional() });
const TrainingRun = z.looseObject({ name: z.string(), config: z.string(), log: z.string() });

const pair = z.tuple([z.number(), z.number()]);
const triple = z.tuple([z.number(), z.number(), z.number()]);
const Pipeline = z.looseObject({
  train_pipeline: z.array(
    z.looseObject({
      type: z.string(),
      img_scale: pair.optional(),
      ratio_range: pair.optional(),
      crop_size: pair.optional(),
      cat_max_ratio: z.number().optional(),
      prob: z.number().optional(),
      reduce_zero_label: z.boolean().optional(),
      mean: triple.optional(),
      std: triple.optional(),
    }),
  ),
});

/** Every stage of the train pipeline, byte for byte, from the original's own random numbers. */
export async function checkAugmentation(golden: GoldenFolder): Promise<Row[]> {
  const rows: Row[] = [];
  for (const run of golden.manifest.runs.training.filter((candidate) => 'cases' in candidate)) {
    const { cases, config } = parseAs(AugmentationRun, run, run.name);
    const recipe = readRecipe(golden, config ?? firstConfig(golden));
    for (const aCase of parseAs(Cases, golden.json(cases), cases))
      rows.push(...(await checkCase(golden, aCase, recipe)));
  }
  return rows;
}

/** All train pipelines of a folder are the same; a run of stages only doesn't say whose it is. */
function firstConfig(golden: GoldenFolder): string {
  const run = golden.manifest.runs.training.find((candidate) => 'config' in candidate);
  return parseAs(TrainingRun, run, 'runs.training').config;
}

type Recipe = ReturnType<typeof readRecipe>;

function readRecipe(golden: GoldenFolder, file: string) {
  const steps = parseAs(Pipeline, golden.json(file), file).train_pipeline;
  const step = (type: string) => steps.find((candidate) => candidate.type === type);
  const { img_scale: scale, ratio_range: ratioRange } = step('Resize')!;
  const { mean, std } = step('Normalize')!;
  return {
    cropPx: step('RandomCrop')!.crop_size![0],
    reduceZeroLabel: step('LoadAnnotations')!.reduce_zero_label ?? false,
    augmentation: {
      longPx: Math.max(...scale!),
      shortPx: Math.min(...scale!),
      ratioRange: ratioRange!,
      catMaxRatio: step('RandomCrop')!.cat_max_ratio ?? 1,
      flip: step('RandomFlip')!.prob!,
      photometricDistortion: step('PhotoMetricDistortion') !== undefined,
    },
    pipeline: { mean: mean!, std: std! },
  };
}

async function checkCase(golden: GoldenFolder, aCase: Case, recipe: Recipe): Promise<Row[]> {
  const { augmentation, cropPx, pipeline } = recipe;
  const rows: Row[] = [];
  const expected = (name: string) => aCase.stages.find(({ stage }) => stage === name)!;
  const check = (stage: string, image: Uint8Array | Float32Array, labels?: Uint8Array) => {
    const { img_sha256, seg_sha256 } = expected(stage);
    const same = sha256(image) === img_sha256 && (!labels || sha256(labels) === seg_sha256);
    rows.push(verdict(`${aCase.image} ${stage}`, same, same ? '0' : 'differs', 'equal bytes'));
  };
  const image = await decodeImage(readFileSync(golden.path(aCase.image)), aCase.image);
  const annotation = await decodeAnnotation(readFileSync(golden.path(aCase.annotation)), aCase.annotation);
  const labels = inBytes(annotation, aCase.annotation);
  if (recipe.reduceZeroLabel) reduceZeroLabel(labels.data);
  const bgr = (at: LabelledImage) => toBgr(at.image);
  check('LoadImageFromFile', toBgr(image));
  check('LoadAnnotations', toBgr(image), labels.data);

  const size = drawSize(image, augmentation, replay(expected('Resize').draws));
  const resized = resizeNearest(labels, size);
  check('Resize', toBgr(resizeBilinear(image, size.width, size.height)), resized.data);

  const window = drawWindow(resized, cropPx, augmentation.catMaxRatio, replay(expected('RandomCrop').draws));
  let crop: LabelledImage = { image: resizeWindow(image, size, window), labels: cropLabels(resized, window) };
  check('RandomCrop', bgr(crop), crop.labels.data);

  if (isFlipped(augmentation.flip, replay(expected('RandomFlip').draws)))
    crop = { image: flipHorizontally(crop.image), labels: flipLabels(crop.labels) };
  check('RandomFlip', bgr(crop), crop.labels.data);

  crop = { ...crop, image: distort(crop.image, replay(expected('PhotoMetricDistortion').draws)) };
  check('PhotoMetricDistortion', bgr(crop), crop.labels.data);
  check('Normalize', normalize(crop.image, pipeline), crop.labels.data);

  // And once more as training does it, all at once.
  const draws = replay(aCase.stages.flatMap((stage) => stage.draws));
  const { image: whole, labels: wholeLabels } = augment({ image, labels }, { augmentation, cropPx, draws });
  const padded = padImage(normalize(whole, pipeline), whole.width, cropPx);
  check('Pad', padded, padLabels(wholeLabels, cropPx));
  rows.push(compareValues(`${aCase.image}: numbers not drawn`, draws.left(), 0));
  return rows;
}

const Schedules = z.record(
  z.string(),
  z.looseObject({
    base_lr: z.number(),
    max_iters: z.int(),
    warmup_iters: z.int(),
    warmup_ratio: z.number(),
    lr_at: z.record(z.string(), z.number()),
  }),
);

const SCHEDULES = 'training/lr_schedule.json';
/** Of a learning rate. */
const RELATIVE = 1e-12;

const Optimizer = z.looseObject({
  optimizer: z.looseObject({
    groups: z.array(
      z.looseObject({
        group_name: z.string(),
        lr_scale: z.number(),
        weight_decay: z.number(),
        param_names: z.array(z.string()),
      }),
    ),
  }),
});

const OptimizerConfig = z.looseObject({
  optimizer: z.looseObject({
    weight_decay: z.number(),
    paramwise_cfg: z.looseObject({ num_layers: z.int(), layer_decay_rate: z.number() }),
  }),
});

/** Learning rates, and how each parameter is optimised. */
export function checkSchedules(golden: GoldenFolder): Row[] {
  const rows = golden.has(SCHEDULES) ? checkLearningRates(golden) : [];
  for (const run of golden.manifest.runs.training.filter((candidate) => 'log' in candidate)) {
    const { name, config, log } = parseAs(TrainingRun, run, run.name);
    const json = golden.json(config);
    const { weight_decay: weightDecay, paramwise_cfg: layers } = parseAs(
      OptimizerConfig,
      json,
      config,
    ).optimizer;
    const groups = parameterGroups(
      { weightDecay, layerDecayRate: layers.layer_decay_rate },
      layers.num_layers,
      headSpecs(fromMmcv(json, {}, config).model),
    );
    const expected = parseAs(Optimizer, golden.json(log), log).optimizer.groups.flatMap((group) =>
      group.param_names.map((parameter): [string, object] => [
        parameter,
        { name: group.group_name, lrScale: group.lr_scale, weightDecay: group.weight_decay },
      ]),
    );
    const byName = ([a]: [string, object], [b]: [string, object]) => (a < b ? -1 : 1);
    rows.push(
      compareValues(`${name}: parameter groups`, [...groups].sort(byName), [...expected].sort(byName)),
    );
  }
  return rows;
}

function checkLearningRates(golden: GoldenFolder): Row[] {
  const schedules = parseAs(Schedules, golden.json(SCHEDULES), SCHEDULES);
  return Object.entries(schedules).map(([name, schedule]) => {
    const train = {
      steps: schedule.max_iters,
      optimizer: { type: 'adamw' as const, lr: schedule.base_lr, ...ADAMW },
      schedule: {
        type: 'poly' as const,
        power: 1,
        minLr: 0,
        warmup: { steps: schedule.warmup_iters, ratio: schedule.warmup_ratio },
      },
    };
    const errors = Object.entries(schedule.lr_at).map(
      ([step, lr]) => Math.abs(learningRate(train, Number(step)) - lr) / lr,
    );
    const largest = Math.max(...errors);
    return verdict(
      `learning rate: ${name}`,
      largest <= RELATIVE,
      largest.toExponential(1),
      `${RELATIVE} · |x|`,
    );
  });
}

/** What a schedule doesn't look at. */
const ADAMW = { betas: [0.9, 0.999] as [number, number], eps: 1e-8, weightDecay: 0, layerDecayRate: 1 };
