import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Matrix } from 'ml-matrix';
import { prepareModel } from '../../activities/evaluate/prepare-model.ts';
import { SlideSegmenter } from '../../activities/evaluate/slide-segmenter.ts';
import { decodeAnnotation, decodeImage } from '../../activities/images/decode.ts';
import { openSession, runSession, tensor } from '../../activities/onnx/session.ts';
import type { VitConfig } from '../../core/config/model-kinds.ts';
import { reduceZeroLabel, resizeForTest } from '../../core/image/preprocess.ts';
import { cropShape } from '../../core/model/crop-shape.ts';
import { CROPS, LOGITS } from '../../core/model/segmenter-graph.ts';
import { slideWindows } from '../../core/model/slide-windows.ts';
import type { PatchSamples } from './tiny-model.ts';

/** A patch counts for a class if it holds so much of it. */
const PURITY = 0.6;

/**
 * Runs the backbone over the training images, and gives each patch's feature with its class.
 *
 * @param checkpoints a backbone and any head that fits: only the backbone's features are used
 */
export async function patchSamples(
  folder: string,
  checkpoints: { name: string; file: string }[],
  ade: string,
  config: VitConfig,
): Promise<PatchSamples> {
  const { modelFile } = await prepareModel(folder, checkpoints, config, ['feat0']);
  const session = await openSession(modelFile, { device: 'cpu', threads: 2 });
  const { imageSizePx: side, patchSizePx: patch, embedDim } = config.model.backbone;
  const grid = side / patch;
  const { batch } = config.run;
  const rows: Float32Array[] = [];
  const classes: number[] = [];
  // Windows come back in the order in which they were cut: their classes wait here.
  const labelsOf: (number | null)[][] = [];
  let features: Float32Array = new Float32Array();

  const segmenter = new SlideSegmenter(cropShape(config.model), batch, {
    async segment(crops) {
      const outputs = await runSession(session, { [CROPS]: tensor(crops, [batch, side, side, 3]) }, 'cpu');
      features = outputs.feat0!.data as Float32Array;
      const windows = labelsOf.splice(0, batch);
      for (const [slot, labels] of windows.entries()) {
        for (const [cell, label] of labels.entries()) {
          if (label === null) continue;
          const at = slot * embedDim * grid * grid + cell;
          rows.push(Float32Array.from({ length: embedDim }, (_, c) => features[at + c * grid * grid]!));
          classes.push(label);
        }
      }
      return outputs[LOGITS]!.data as Float32Array;
    },
    async onImage() {},
  });

  const images = path.join(ade, 'images/training');
  for (const file of (await readdir(images)).sort()) {
    const id = path.parse(file).name;
    const original = await decodeImage(await readFile(path.join(images, file)), file);
    const annotation = path.join(ade, 'annotations/training', `${id}.png`);
    const { data: labels } = await decodeAnnotation(await readFile(annotation), annotation);
    reduceZeroLabel(labels);
    const image = resizeForTest(original, config.pipeline.resize);
    const windows = slideWindows(image, cropShape(config.model))!;
    const scale = { x: original.width / image.width, y: original.height / image.height };
    const at = (x: number, y: number) =>
      labels[Math.floor(y * scale.y) * original.width + Math.floor(x * scale.x)]!;
    for (const top of windows.tops)
      for (const left of windows.lefts) labelsOf.push(windowClasses(at, top, left, grid, patch));
    await segmenter.add({ id, views: [{ image, isFlipped: false }], original });
  }
  await segmenter.flush();
  await session.release();
  return { features: new Matrix(rows.map((row) => Array.from(row))), classes };
}

function windowClasses(
  at: (x: number, y: number) => number,
  top: number,
  left: number,
  grid: number,
  patch: number,
): (number | null)[] {
  const classes: (number | null)[] = [];
  for (let row = 0; row < grid; row++) {
    for (let column = 0; column < grid; column++) {
      const counts = new Map<number, number>();
      for (let y = 0; y < patch; y++)
        for (let x = 0; x < patch; x++) {
          const label = at(left + column * patch + x, top + row * patch + y);
          counts.set(label, (counts.get(label) ?? 0) + 1);
        }
      const [label, count] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
      classes.push(label !== 255 && count >= PURITY * patch * patch ? label : null);
    }
  }
  return classes;
}
