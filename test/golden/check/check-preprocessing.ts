import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { decodeAnnotation, decodeImage } from '../../../activities/images/decode.ts';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import { parseAs } from '../../../core/config/parse.ts';
import { flipHorizontally, reduceZeroLabel } from '../../../core/image/preprocess.ts';
import { type RgbImage, resizeBilinear } from '../../../core/image/resize.ts';
import { testSizes } from '../../../core/image/test-size.ts';
import { AUG_TEST, viewKinds } from '../../../core/image/views.ts';
import { CROPS, normalizeGraph } from '../../../core/model/segmenter-graph.ts';
import { compareArrays, compareValues, type Row, stepsOf, subsample } from './compare.ts';
import type { GoldenFolder, PreprocessingRun } from './manifest.ts';
import { npyNumbers, readNpy } from './npy.ts';

const pair = z.tuple([z.int(), z.int()]);
const Cases = z.record(
  z.string(),
  z.looseObject({
    ori_shape: pair,
    decoded_rgb_sha256: z.string(),
    views: z.array(
      z.looseObject({
        after_SETR_Resize: pair,
        after_SETR_Resize_bgr_sha256: z.string(),
        after_ResizeToMultiple: pair,
        after_ResizeToMultiple_bgr_sha256: z.string(),
        flip: z.boolean(),
        tensor_float32_chw_sha256: z.string(),
      }),
    ),
  }),
);

const PIPELINE = {
  mean: [123.675, 116.28, 103.53] as [number, number, number],
  std: [58.395, 57.12, 57.375] as [number, number, number],
};

interface Stages {
  setr_bgr: Uint8Array;
  resized_bgr: Uint8Array;
  tensor: Float32Array;
}

/** Decoding, both resizes, flips and normalisation: byte by byte, for every image and view of a run. */
export async function checkPreprocessing(golden: GoldenFolder, run: PreprocessingRun): Promise<Row[]> {
  const [file, key] = run.expected.split(': ') as [string, string];
  const all = golden.json(file) as Record<string, unknown>;
  const cases = parseAs(Cases, all[key], `${file}: ${key}`);
  const normalize = await openSession(normalizeGraph(PIPELINE), {
    device: 'cpu',
    threads: 1,
  });
  const rows: Row[] = [];
  for (const [id, imageFile] of Object.entries(run.images)) {
    const expected = cases[id]!;
    const image = await decodeImage(readFileSync(golden.path(imageFile)), imageFile);
    const failures: Row[] = [];
    const check = (what: string, actual: unknown, wanted: unknown) => {
      const row = compareValues(`${run.name}/${id} ${what}`, actual, wanted);
      if (row.verdict !== 'ok') failures.push(row);
    };
    check('shape', [image.height, image.width], expected.ori_shape);
    check('decoded', sha256(image.data), expected.decoded_rgb_sha256);
    const kinds = viewKinds(run.aug_test ? { augmentation: AUG_TEST } : {});
    for (const [index, view] of expected.views.entries()) {
      const [setrSize, size] = testSizes(image, resizeConfig(run), kinds[index]!.ratio);
      const setr = resizeBilinear(image, setrSize!.width, setrSize!.height);
      const resized = resizeBilinear(setr, size!.width, size!.height);
      check(`view ${index} first resize`, [setr.height, setr.width], view.after_SETR_Resize);
      check(`view ${index} first resize's bytes`, sha256(toBgr(setr)), view.after_SETR_Resize_bgr_sha256);
      check(`view ${index} second resize`, [resized.height, resized.width], view.after_ResizeToMultiple);
      check(
        `view ${index} second resize's bytes`,
        sha256(toBgr(resized)),
        view.after_ResizeToMultiple_bgr_sha256,
      );
      const input = view.flip ? flipHorizontally(resized) : resized;
      const outputs = await runSession(
        normalize,
        { [CROPS]: tensor(input.data, [1, input.height, input.width, 3]) },
        'cpu',
      );
      const floats = outputs.input!.data as Float32Array;
      check(`view ${index} tensor`, sha256(floats), view.tensor_float32_chw_sha256);
      if (index > 0) continue;
      const stages: Stages = { setr_bgr: toBgr(setr), resized_bgr: toBgr(resized), tensor: floats };
      rows.push(...compareFiles(golden, run, id, stages, { setr, resized }));
    }
    const summary = compareValues(
      `${run.name}/${id}: decoded, ${expected.views.length} views, by hash`,
      failures.length,
      0,
    );
    rows.push(summary, ...failures);
  }
  return rows;
}

function resizeConfig(run: PreprocessingRun) {
  return { type: 'short-side' as const, shortSidePx: run.short_side, multiplePx: run.multiple };
}

function compareFiles(
  golden: GoldenFolder,
  run: PreprocessingRun,
  id: string,
  stages: Stages,
  { setr, resized }: { setr: RgbImage; resized: RgbImage },
): Row[] {
  const shapes = {
    setr_bgr: [setr.height, setr.width, 3],
    resized_bgr: [resized.height, resized.width, 3],
    tensor: [3, resized.height, resized.width],
  };
  const rows: Row[] = [];
  for (const stage of Object.keys(stages) as (keyof Stages)[]) {
    const file = run.arrays.find(
      (array) => path.basename(array).replace(/(_sub)?\.npy$/, '') === `${id}_${stage}`,
    );
    if (!file) continue;
    const entry = golden.manifest.preprocessing.find((candidate) => candidate.file === file);
    const steps = stepsOf(entry?.how ?? '', 3);
    const actual = subsample(stages[stage], shapes[stage], steps);
    rows.push(compareArrays(file, actual, npyNumbers(readNpy(golden.path(file))), { exact: true }));
  }
  return rows;
}

/** Annotations before and after reduce_zero_label, and the decoded images that have an array. */
export async function checkDecoding(golden: GoldenFolder): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { file, how } of golden.manifest.preprocessing) {
    const reduced = /annotations\/(.+)_reduce([01])\.npy$/.exec(file);
    const decoded = /decoded\/(.+?)_bgr(_sub)?\.npy$/.exec(file);
    const expected = reduced || decoded ? npyNumbers(readNpy(golden.path(file))) : null;
    if (reduced && expected) {
      const png = file.replace(/_reduce[01]\.npy$/, '.png');
      const { data } = await decodeAnnotation(readFileSync(golden.path(png)), png);
      if (reduced[2] === '1') reduceZeroLabel(data);
      rows.push(compareArrays(file, data, expected, { exact: true }));
    } else if (decoded && expected) {
      const jpeg = golden.manifest.preprocessing.find((f) =>
        f.file.endsWith(`images/${decoded[1]}.jpg`),
      )!.file;
      const image = await decodeImage(readFileSync(golden.path(jpeg)), jpeg);
      const actual = subsample(toBgr(image), [image.height, image.width, 3], stepsOf(how, 3));
      rows.push(compareArrays(file, actual, expected, { exact: true }));
    }
  }
  return rows;
}

export function toBgr({ data }: RgbImage): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    out[i] = data[i + 2]!;
    out[i + 1] = data[i + 1]!;
    out[i + 2] = data[i]!;
  }
  return out;
}

export function sha256(data: Uint8Array | Float32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');
}
