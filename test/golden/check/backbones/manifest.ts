import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { Device } from '../../../../core/config/config.ts';
import { parseAs } from '../../../../core/config/parse.ts';
import { npyNumbers, readNpy } from '../npy.ts';

/** A manifest of format 1: backbones of several families, heads on them, and DINOv3's preprocessing. */
const expectation = z.looseObject({
  file: z.string(),
  atol: z.number().optional(),
  rtol: z.number().optional(),
  exact: z.boolean().optional(),
  /** Of labels: they may differ where the two best scores are as near as this. */
  margin: z.number().optional(),
});
export type Expectation = z.infer<typeof expectation>;

const resize = z.looseObject({
  a: z.number(),
  antialias: z.boolean(),
  by: z.enum(['size', 'scale']),
  offset: z.number().optional(),
});

const arch = z.looseObject({
  patch: z.int(),
  dim: z.int(),
  depth: z.int(),
  heads: z.int(),
  prefix: z.array(z.string()),
  norm: z.enum(['rms', 'layer']),
  eps: z.number(),
  qkNorm: z.boolean(),
  qkvBias: z.boolean().optional(),
  qvBias: z.boolean().optional(),
  kBias: z.boolean().optional(),
  ffn: z.enum(['gelu', 'swiglu']),
  inner: z.int(),
  finalNorm: z.boolean(),
  pos: z.looseObject({ grid: z.int(), resize }).optional(),
  rope: z.looseObject({ theta: z.number() }).optional(),
});

const run = z.looseObject({
  input: z.string(),
  grid: z.tuple([z.int(), z.int()]),
  expect: z.looseObject({
    pos_embed: expectation.optional(),
    rope_cos: expectation.optional(),
    rope_sin: expectation.optional(),
    embeddings: expectation,
    blocks: z.array(expectation),
    final: expectation.optional(),
    taps: z.array(
      z.looseObject({ block: z.int(), map: expectation.optional(), mapNormed: expectation.optional() }),
    ),
  }),
});

const weights = z.looseObject({
  form: z.enum(['safetensors', 'safetensors-sharded', 'torch']),
  files: z.array(z.string()).min(1),
  index: z.string().optional(),
});

const goldenCase = z.looseObject({
  name: z.string(),
  family: z.enum(['internvit', 'dinov2', 'dinov3']),
  naming: z.enum(['huggingface', 'original']),
  arch,
  config: z.string().optional(),
  weights: z.array(weights).min(1),
  runs: z.array(run),
});

const head = z.looseObject({
  name: z.string(),
  backbone: z.string(),
  head: z.string(),
  taps: z.array(z.int()),
  bnEps: z.number(),
  protocol: z.looseObject({ crop: z.int(), stride: z.int() }),
  originalSize: z.tuple([z.int(), z.int()]),
  inputs: z.array(
    z.looseObject({
      input: z.string(),
      windows: z.array(z.tuple([z.int(), z.int(), z.int(), z.int()])),
      flipToo: z.boolean(),
    }),
  ),
  expect: z.looseObject({
    feature: expectation.optional(),
    patch_logits: expectation.optional(),
    logits: expectation.optional(),
    rescaled: expectation.optional(),
    scores: expectation,
    pred: expectation,
  }),
});

const preprocessing = z.looseObject({
  image: z.string(),
  smallSide: z.int(),
  resized: z.string(),
  tensor: expectation.optional(),
  tensorSha256: z.string(),
});

const Manifest = z.looseObject({
  format: z.literal(1),
  cases: z.array(goldenCase),
  heads: z.array(head).default([]),
  preprocessing: z.array(preprocessing).default([]),
});

export type BackboneCase = z.infer<typeof goldenCase>;
export type BackboneRun = z.infer<typeof run>;
export type PublishedWeights = z.infer<typeof weights>;
export type HeadCase = z.infer<typeof head>;
export type PreprocessingCase = z.infer<typeof preprocessing>;

export interface BackboneGolden {
  device: Device;
  manifest: z.infer<typeof Manifest>;
  path(relative: string): string;
  numbers(relative: string): Float64Array;
}

/** @returns null if the folder's manifest is of the other form; @throws BadInput if it has faults */
export function openBackboneGolden(root: string, device: Device): BackboneGolden | null {
  const at = (relative: string) => path.join(root, relative);
  const file = at('manifest.json');
  if (!existsSync(file)) return null;
  const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof json !== 'object' || json === null || !('cases' in json)) return null;
  return {
    device,
    manifest: parseAs(Manifest, json, file),
    path: at,
    numbers: (relative) => npyNumbers(readNpy(at(relative))),
  };
}
