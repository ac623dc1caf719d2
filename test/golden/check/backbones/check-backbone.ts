import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openSession, runSession, tensor } from '../../../../activities/onnx/session.ts';
import type { BackboneConfig } from '../../../../core/config/config.ts';
import { backboneSpecs, vitOf } from '../../../../core/model/backbone.ts';
import { matchWeights } from '../../../../core/model/match-weights.ts';
import { rotaryAngles, rotaryPeriods } from '../../../../core/model/rotary-embedding.ts';
import { prefixTokens, type Vit } from '../../../../core/model/vit.ts';
import {
  embedding,
  tapFeature,
  transformerBlock,
  type VitContext,
} from '../../../../core/model/vit-graph.ts';
import { POSITION_EMBEDDING, ROPE_PERIODS } from '../../../../core/model/vit-tensors.ts';
import { type CheckpointFile, openWeights, type WeightLoader } from '../../../../core/model/weights.ts';
import { GraphBuilder, type Value } from '../../../../core/onnx/graph.ts';
import { compareArrays, compareValues, type Row } from '../compare.ts';
import { inTemporaryFolder } from '../in-temporary-folder.ts';
import { readNpy } from '../npy.ts';
import { backboneOfCase, backboneOfConfigJson } from './case-config.ts';
import type { BackboneCase, BackboneGolden, BackboneRun, Expectation } from './manifest.ts';
import { openPublished } from './open-case.ts';

/** Every stage of a backbone, in every form of its weights and on every input. */
export function checkBackbone(golden: BackboneGolden, one: BackboneCase): Promise<Row[]> {
  return inTemporaryFolder(async (folder) => {
    const backbone = backboneOfCase(one);
    const rows: Row[] = [];
    if (one.config) {
      const json = JSON.parse(readFileSync(golden.path(one.config), 'utf8'));
      rows.push(compareValues(one.config, vitOf(backboneOfConfigJson(one, json)), vitOf(backbone)));
    }
    for (const weights of one.weights) {
      const checkpoint = await openPublished(golden, folder, weights);
      for (const run of one.runs)
        rows.push(...(await checkRun(golden, { folder, backbone, checkpoint, run, form: weights.form })));
    }
    return rows;
  });
}

interface RunToCheck {
  folder: string;
  backbone: BackboneConfig;
  checkpoint: CheckpointFile;
  run: BackboneRun;
  form: string;
}

async function checkRun(golden: BackboneGolden, { folder, backbone, checkpoint, run, form }: RunToCheck) {
  const vit = vitOf(backbone);
  const [rows, columns] = run.grid;
  const input = readNpy(golden.path(run.input));
  const [batch, , heightPx, widthPx] = input.shape as [number, number, number, number];
  const model = { backbone, head: { type: 'linear' as const, channels: 1, classes: 1, batchNormEps: 1 } };
  const matched = matchWeights(
    [checkpoint.index],
    { ...model, test: { mode: 'whole' } },
    backboneSpecs(model),
  );
  const weights = await openWeights(matched, [checkpoint], model, { rows, columns });

  const graph = new GraphBuilder('backbone');
  const context: VitContext = { graph, weights, vit, batch, dtype: 'float32', image: { heightPx, widthPx } };
  const outputs = stages(context, graph.input('image', 'float32', [batch, heightPx, widthPx, 3]));
  for (const [name, rank] of outputs)
    graph.output(
      name as Value,
      'float32',
      Array.from({ length: rank }, (_, i) => `${name}_${i}`),
    );
  const file = path.join(folder, 'model.onnx');
  writeFileSync(file, graph.toBytes());
  const session = await openSession(file, { device: golden.device, threads: 1 });
  const image = channelsLast(input.data as Float32Array, input.shape);
  const got = await runSession(
    session,
    { image: tensor(image, [batch, heightPx, widthPx, 3]) },
    golden.device,
  );
  await session.release();

  const compared: Row[] = [];
  const compare = (what: string, actual: ArrayLike<number>, expected: Expectation | undefined) => {
    if (!expected) return;
    compared.push(
      compareArrays(`${expected.file} (${form}) ${what}`, actual, golden.numbers(expected.file), expected),
    );
  };
  const of = (name: string) => got[name]!.data as Float32Array;
  const { expect } = run;
  compare('pos_embed', expect.pos_embed ? positions(weights, vit) : [], expect.pos_embed);
  if (vit.position.type === 'rotary') {
    const periods = weights.has(ROPE_PERIODS)
      ? weights.floats(ROPE_PERIODS)
      : rotaryPeriods(vit.position.theta, vit.embedDim / vit.heads);
    const { cos, sin } = rotaryAngles({ rows, columns }, periods);
    compare('rope_cos', cos, expect.rope_cos);
    compare('rope_sin', sin, expect.rope_sin);
  }
  compare('embeddings', of('tokens_in'), expect.embeddings);
  for (const [block, expected] of expect.blocks.entries())
    compare('block', of(`block${block}_out`), expected);
  if (expect.final) compare('final', of(`tap${vit.depth - 1}_norm`), expect.final);
  for (const { block, map, mapNormed } of expect.taps) {
    compare('tap', mapOf(of(`block${block}_out`), { vit, batch, patches: rows * columns }), map);
    compare('tap, normed', of(`tap${block}`), mapNormed);
  }
  return compared;
}

/** Names and ranks of all stages, after their nodes are in the graph. */
function stages(ctx: VitContext, image: Value): Map<string, number> {
  const { vit } = ctx;
  const outputs = new Map([['tokens_in', 2]]);
  let x = embedding(ctx, image);
  for (let block = 0; block < vit.depth; block++) {
    x = transformerBlock(ctx, x, block);
    outputs.set(`block${block}_out`, 2).set(tapFeature(ctx, x, block), 4);
    if (vit.finalNorm) outputs.set(`tap${block}_norm`, 2);
  }
  return outputs;
}

/** Tokens `[B * N, C]` as a map of the patches, `[B, C, patches]`. */
function mapOf(
  tokens: Float32Array,
  { vit, batch, patches }: { vit: Vit; batch: number; patches: number },
): Float32Array {
  const { embedDim: c } = vit;
  const prefix = prefixTokens(vit);
  const out = new Float32Array(batch * c * patches);
  for (let b = 0; b < batch; b++)
    for (let patch = 0; patch < patches; patch++)
      for (let channel = 0; channel < c; channel++)
        out[(b * c + channel) * patches + patch] =
          tokens[(b * (prefix + patches) + prefix + patch) * c + channel]!;
  return out;
}

/** `[B, 3, H, W]` to `[B, H, W, 3]`. */
export function channelsLast(data: Float32Array, shape: number[]): Float32Array {
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const out = new Float32Array(data.length);
  const area = height * width;
  for (let b = 0; b < batch; b++)
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < area; i++)
        out[(b * area + i) * channels + c] = data[(b * channels + c) * area + i]!;
  return out;
}

/** The position embedding without the zeros that stand for registers'. */
function positions(weights: WeightLoader, vit: Vit): Float32Array {
  const all = weights.floats(POSITION_EMBEDDING);
  const c = vit.embedDim;
  const out = new Float32Array(all.length - (prefixTokens(vit) - 1) * c);
  out.set(all.subarray(0, c));
  out.set(all.subarray(prefixTokens(vit) * c), c);
  return out;
}
