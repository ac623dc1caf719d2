import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { Device } from '../../../core/config/config.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { parseAs } from '../../../core/config/parse.ts';

/** The part of a golden folder's manifest.json that tells what to compute and what to expect. */
const tolerance = z.looseObject({
  atol: z.number().optional(),
  rtol: z.number().optional(),
  exact: z.boolean().optional(),
  /** |error| ≤ this part of the largest of the expected. */
  rel_to_max: z.number().optional(),
  /** So large a share may lie outside of the tolerance (differ, where it says nothing else). */
  mismatch_fraction: z.number().optional(),
  argmax_agreement_with: z.string().optional(),
  at_least: z.number().optional(),
});
export type Tolerance = z.infer<typeof tolerance>;

const file = z.looseObject({ file: z.string(), how: z.string(), tolerance: tolerance.optional() });

const modelRun = z.looseObject({
  name: z.string(),
  kind: z.string(),
  crop: z.int(),
  config: z.string(),
  config_overrides: z.record(z.string(), z.unknown()).default({}),
  pretrained: z.string(),
  head: z.string(),
  checkpoint: z.string().optional(),
  image: z.string(),
  input: z.string(),
  expected: z.array(z.looseObject({ stage: z.string(), file: z.string(), tolerance })),
});

const preprocessingRun = z.looseObject({
  name: z.string(),
  crop: z.int(),
  short_side: z.int(),
  multiple: z.int(),
  aug_test: z.boolean(),
  images: z.record(z.string(), z.string()),
  expected: z.string(),
  arrays: z.array(z.string()),
});

const pipelineRun = z.looseObject({
  name: z.string(),
  config: z.string().optional(),
  checkpoint: z.string().optional(),
  pretrained: z.string().optional(),
  data_root: z.string().optional(),
  images: z.array(z.string()).default([]),
  aug_test: z.boolean().default(false),
  /** A run of what was written of another one's predictions. */
  of_run: z.string().optional(),
  image: z.string().optional(),
  opacity: z.number().optional(),
  expected: z.looseObject({
    overlay: z.string().optional(),
    under: z.string().optional(),
    png: z.string().optional(),
    predictions: z.string().optional(),
    near_tie: z.string().optional(),
    logits: z
      .array(z.looseObject({ id: z.string(), file: z.string(), subsample: z.array(z.int()) }))
      .default([]),
    areas: z.string().optional(),
    confusion: z.string().optional(),
    results: z.string().optional(),
  }),
  tolerance: z
    .looseObject({ logits: tolerance.optional(), confusion_abs_diff_sum: z.number(), mIoU_abs: z.number() })
    .optional(),
});

const headTrainingRun = z.looseObject({
  name: z.string(),
  kind: z.string(),
  crop: z.int(),
  batch: z.int(),
  config: z.string(),
  checkpoint: z.string(),
  learning_rates: z.array(z.number()),
  inputs: z.array(z.looseObject({ input: z.string(), label: z.string() })),
  log: z.string(),
  expected: z.array(z.looseObject({ what: z.string(), file: z.string(), tolerance })),
});

/** Steps of every parameter, the backbone's included. */
const fullTrainingRun = z.looseObject({
  name: z.string(),
  kind: z.string(),
  crop: z.int(),
  precision: z.string(),
  batch: z.int(),
  config: z.string(),
  checkpoint: z.string(),
  learning_rates: z.array(z.number()),
  inputs: z.array(z.looseObject({ input: z.string(), label: z.string() })),
  drop_path: z.string().optional(),
  optimizer: z.string(),
  log: z.string(),
  log_tolerance: z.looseObject({
    losses_rtol: z.number(),
    acc_atol: z.number(),
    grad_norm_rtol: z.number().optional(),
    zero: z.array(z.string()).default([]),
    zero_grad_norm_atol: z.number().default(0),
  }),
  expected: z.array(
    z.looseObject({
      kind: z.enum(['activation', 'activation_grad', 'grad', 'param', 'exp_avg', 'exp_avg_sq', 'running']),
      name: z.string(),
      step: z.int(),
      file: z.string(),
      tolerance,
    }),
  ),
  resume: z.looseObject({ checkpoint: z.string(), next_step: z.int() }).optional(),
});

const augmentationRun = z.looseObject({ name: z.string(), cases: z.string() });

const Manifest = z.looseObject({
  model: z.array(file).default([]),
  preprocessing: z.array(file).default([]),
  runs: z.looseObject({
    model: z.array(modelRun).default([]),
    preprocessing: z.array(preprocessingRun).default([]),
    pipeline: z.array(pipelineRun).default([]),
    training: z.array(z.union([headTrainingRun, augmentationRun])).default([]),
    fullTraining: z.array(fullTrainingRun).default([]),
  }),
});

export type ModelRun = z.infer<typeof modelRun>;
export type PreprocessingRun = z.infer<typeof preprocessingRun>;
export type PipelineRun = z.infer<typeof pipelineRun>;

export type FullTrainingRun = z.infer<typeof fullTrainingRun>;
export type HeadTrainingRun = z.infer<typeof headTrainingRun>;

export interface GoldenFolder {
  root: string;
  /** Where everything that a graph computes is computed. */
  device: Device;
  manifest: z.infer<typeof Manifest>;
  path(relative: string): string;
  has(relative: string): boolean;
  json(relative: string): unknown;
}

/** @throws BadInput if the folder has no manifest, or one of another form */
export function openGolden(root: string, device: Device = 'cpu'): GoldenFolder {
  const at = (relative: string) => path.join(root, relative);
  const json = (relative: string): unknown => {
    try {
      return JSON.parse(readFileSync(at(relative), 'utf8'));
    } catch (error) {
      throw new BadInput(`${at(relative)}: ${error instanceof Error ? error.message : error}`);
    }
  };
  return {
    root,
    device,
    manifest: parseAs(Manifest, json('manifest.json'), at('manifest.json')),
    path: at,
    has: (relative) => existsSync(at(relative)),
    json,
  };
}
