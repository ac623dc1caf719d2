import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ViewLogits } from '../../../../activities/evaluate/slide-segmenter.ts';
import { Stitcher } from '../../../../activities/evaluate/stitcher.ts';
import { openSession, runSession, tensor } from '../../../../activities/onnx/session.ts';
import type { VitModel } from '../../../../core/config/model-kinds.ts';
import { vitOf } from '../../../../core/model/backbone.ts';
import { cropShape } from '../../../../core/model/crop-shape.ts';
import { buildHead } from '../../../../core/model/head.ts';
import { matchWeights } from '../../../../core/model/match-weights.ts';
import { slideWindows } from '../../../../core/model/slide-windows.ts';
import { vitFeatures } from '../../../../core/model/vit-graph.ts';
import { type CheckpointFile, openWeights } from '../../../../core/model/weights.ts';
import { GraphBuilder } from '../../../../core/onnx/graph.ts';
import { compareArrays, compareValues, type Row, verdict } from '../compare.ts';
import { inTemporaryFolder } from '../in-temporary-folder.ts';
import { readNpy } from '../npy.ts';
import { backboneOfCase } from './case-config.ts';
import { channelsLast } from './check-backbone.ts';
import type { BackboneGolden, Expectation, HeadCase } from './manifest.ts';
import { openPublished } from './open-case.ts';

type Model = VitModel;

/** A normalised image `[3, H, W]`. */
interface Picture {
  data: Float32Array;
  height: number;
  width: number;
}

interface ViewResult {
  view: ViewLogits;
  /** Of the last window: the head's input, and what it gives. */
  feature: Float32Array;
  patchLogits: Float32Array;
}

/** A published head on its backbone: slide inference with the model's own graph and stitching, views averaged. */
export function checkHead(golden: BackboneGolden, one: HeadCase): Promise<Row[]> {
  return inTemporaryFolder(async (folder) => {
    const backboneCase = golden.manifest.cases.find(({ name }) => name === one.backbone)!;
    const checkpoints = [
      await openPublished(golden, folder, backboneCase.weights[0]!),
      await openPublished(golden, folder, { files: [one.head] }),
    ];
    const { crop, stride } = one.protocol;
    const backbone = { ...backboneOfCase(backboneCase), imageSizePx: crop, taps: one.taps };
    const classes = [...checkpoints[1]!.index.tensors.values()].find(({ shape }) => shape.length === 4)!
      .shape[0]!;
    const channels = backbone.embedDim * one.taps.length;
    const model: Model = {
      backbone,
      head: { type: 'linear', channels, classes, batchNormEps: one.bnEps },
      test: { mode: 'slide', cropPx: crop, stridePx: stride },
    };
    const segment = await openModel(golden, folder, checkpoints, model);
    const rows: Row[] = [];
    const views: ViewResult[] = [];
    for (const { input, windows, flipToo } of one.inputs) {
      const array = readNpy(golden.path(input));
      const [height, width] = array.shape.slice(-2) as [number, number];
      const picture = { data: array.data as Float32Array, height, width };
      const { grid } = (await segment(picture, false)).view;
      const ours = grid.tops.flatMap((top) => grid.lefts.map((left) => [top, left, top + crop, left + crop]));
      rows.push(compareValues(`${one.name}: windows of ${input}`, ours, windows));
      for (const isFlipped of flipToo ? [false, true] : [false])
        views.push(await segment(picture, isFlipped));
    }
    return [...rows, ...(await compareHead(golden, one, model, views))];
  });
}

async function compareHead(golden: BackboneGolden, one: HeadCase, model: Model, views: ViewResult[]) {
  const { expect, originalSize } = one;
  const rows: Row[] = [];
  const compare = (actual: ArrayLike<number>, expected: Expectation | undefined) => {
    if (expected) rows.push(compareArrays(expected.file, actual, golden.numbers(expected.file), expected));
  };
  const first = views[0]!;
  compare(first.feature, expect.feature);
  compare(first.patchLogits, expect.patch_logits);
  const original = { height: originalSize[0], width: originalSize[1] };
  const options = { device: golden.device, threads: 1 };
  await using single = await Stitcher.open(cropShape(model), 1, options, 'scores');
  const alone = [first.view];
  compare(await single.scores({ id: one.name, original: first.view.size, views: alone }), expect.logits);
  const rescaled = await single.scores({ id: one.name, original, views: alone });
  compare(rescaled, expect.rescaled);
  const { classes } = model.head;
  let scores = softmax(rescaled, classes);
  if (views.length > 1) {
    await using all = await Stitcher.open(cropShape(model), views.length, options, 'scores');
    scores = await all.scores({ id: one.name, original, views: views.map(({ view }) => view) });
  }
  compare(scores, expect.scores);
  await using toLabels = await Stitcher.open(cropShape(model), views.length, options, 'labels');
  const labels = await toLabels.labels({ id: one.name, original, views: views.map(({ view }) => view) });
  rows.push(compareLabels(golden, labels, classes, expect.pred, golden.numbers(expect.scores.file)));
  return rows;
}

/** A model as a function from a picture to its windows' logits. */
async function openModel(
  golden: BackboneGolden,
  folder: string,
  checkpoints: CheckpointFile[],
  model: Model,
) {
  const matched = matchWeights(
    checkpoints.map(({ index }) => index),
    model,
  );
  const weights = await openWeights(matched, checkpoints, model);
  const graph = new GraphBuilder('segmenter');
  const side = model.backbone.imageSizePx;
  const image = graph.input('image', 'float32', [1, side, side, 3]);
  const context = { graph, weights, vit: vitOf(model.backbone), batch: 1, dtype: 'float32' as const };
  const { logits } = buildHead(graph, weights, model, 1, vitFeatures(context, image));
  for (const output of ['feat0', logits])
    graph.output(output as typeof logits, 'float32', [1, `${output}_c`, `${output}_h`, `${output}_w`]);
  const file = path.join(folder, 'model.onnx');
  writeFileSync(file, graph.toBytes());
  const session = await openSession(file, { device: golden.device, threads: 1 });

  return async (picture: Picture, isFlipped: boolean): Promise<ViewResult> => {
    const size = { height: picture.height, width: picture.width };
    const grid = slideWindows(size, cropShape(model))!;
    const all: Float32Array[] = [];
    let feature = new Float32Array();
    for (const top of grid.tops)
      for (const left of grid.lefts) {
        const window = channelsLast(cut(picture, { top, left, side, isFlipped }), [1, 3, side, side]);
        const got = await runSession(session, { image: tensor(window, [1, side, side, 3]) }, golden.device);
        all.push(Float32Array.from(got[logits]!.data as Float32Array));
        feature = Float32Array.from(got.feat0!.data as Float32Array);
      }
    const together = new Float32Array(all.flatMap((one) => [...one]));
    return { view: { grid, size, isFlipped, logits: together }, feature, patchLogits: all.at(-1)! };
  };
}

/** A window of a picture, `[3, side, side]`; of the mirrored picture, if it is flipped. */
function cut(
  { data, height, width }: Picture,
  { top, left, side, isFlipped }: { top: number; left: number; side: number; isFlipped: boolean },
): Float32Array {
  const out = new Float32Array(3 * side * side);
  let at = 0;
  for (let c = 0; c < 3; c++)
    for (let y = top; y < top + side; y++)
      for (let x = left; x < left + side; x++)
        out[at++] = data[(c * height + y) * width + (isFlipped ? width - 1 - x : x)]!;
  return out;
}

/** Over the first axis of `[K, …]`. */
function softmax(logits: Float32Array, classes: number): Float32Array {
  const pixels = logits.length / classes;
  const out = new Float32Array(logits.length);
  for (let i = 0; i < pixels; i++) {
    const of = Array.from({ length: classes }, (_, k) => logits[k * pixels + i]!);
    const most = Math.max(...of);
    const exp = of.map((value) => Math.exp(value - most));
    const sum = exp.reduce((a, b) => a + b, 0);
    for (const [k, value] of exp.entries()) out[k * pixels + i] = value / sum;
  }
  return out;
}

/** Labels are equal wherever the two best of the expected scores differ by the margin or more. */
function compareLabels(
  golden: BackboneGolden,
  labels: ArrayLike<number>,
  classes: number,
  { file, margin = 0 }: Expectation,
  expectedScores: Float64Array,
): Row {
  const expected = golden.numbers(file);
  const pixels = expected.length;
  let wrong = 0;
  for (let i = 0; i < pixels; i++) {
    if (labels[i] === expected[i]) continue;
    const best = Array.from({ length: classes }, (_, k) => expectedScores[k * pixels + i]!).sort(
      (a, b) => b - a,
    );
    if (best[0]! - best[1]! >= margin) wrong++;
  }
  const isWhole = labels.length === pixels;
  return verdict(file, isWhole && wrong === 0, `${wrong} differ`, `equal but for ties of ${margin}`);
}
