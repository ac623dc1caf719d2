import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { loadImage } from '../../../activities/evaluate/load-image.ts';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import { SlideSegmenter } from '../../../activities/evaluate/slide-segmenter.ts';
import { Stitcher } from '../../../activities/evaluate/stitcher.ts';
import { decodeAnnotation } from '../../../activities/images/decode.ts';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import { parseAs } from '../../../core/config/parse.ts';
import type { Labels } from '../../../core/image/label-map.ts';
import { viewKinds } from '../../../core/image/views.ts';
import { decodeMatrix } from '../../../core/metric/matrix-codec.ts';
import { matrixMetrics } from '../../../core/metric/metrics.ts';
import { cropShape } from '../../../core/model/crop-shape.ts';
import { CROPS, LOGITS } from '../../../core/model/segmenter-graph.ts';
import { checkFormatOnly, checkShow } from './check-pictures.ts';
import { compareArrays, compareNumber, type Row, subsample, verdict } from './compare.ts';
import { type EvaluatedRun, evaluateRun, ROOT } from './evaluate-run.ts';
import type { GoldenFolder, PipelineRun } from './manifest.ts';
import { NotImplemented } from './mmcv-config.ts';
import { npyNumbers, readNpy } from './npy.ts';

const Results = z.looseObject({
  means_unrounded: z.looseObject({ aAcc: z.number(), mIoU: z.number(), mAcc: z.number() }),
});

/** One of the original's test runs, or what it wrote of one, by the code that a worker runs for a shard. */
export async function checkPipeline(golden: GoldenFolder, run: PipelineRun): Promise<Row[]> {
  if (run.of_run) {
    const source = golden.manifest.runs.pipeline.find(({ name }) => name === run.of_run);
    if (!source) throw new NotImplemented(`run ${run.of_run}, which is not in the manifest`);
    if (run.expected.overlay) return checkShow(golden, run, source);
    if (run.expected.png) return checkFormatOnly(golden, run, source);
  }
  if (!run.tolerance) throw new NotImplemented('a run of an unknown kind');
  using evaluated = await evaluateRun(golden, run);
  return [
    await comparePredictions(golden, run, evaluated.predictions),
    ...(await compareLogits(golden, run, evaluated)),
    ...compareMetrics(golden, run, evaluated.matrix),
  ];
}

/** Equal wherever the original's two best classes are not nearly tied. */
async function comparePredictions(
  golden: GoldenFolder,
  run: PipelineRun,
  predictions: Map<string, Labels>,
): Promise<Row> {
  let wrong = 0;
  let ties = 0;
  let pixels = 0;
  for (const id of run.images) {
    const file = run.expected.predictions!.replace('{id}', id);
    const expected = (await decodeAnnotation(readFileSync(golden.path(file)), file)).data;
    const tieFile = run.expected.near_tie?.replace('{id}', id) ?? '';
    const tie = golden.has(tieFile)
      ? (await decodeAnnotation(readFileSync(golden.path(tieFile)), tieFile)).data
      : null;
    const actual = predictions.get(id);
    pixels += expected.length;
    for (let i = 0; i < expected.length; i++) {
      if (actual?.[i] === expected[i]) continue;
      if (tie?.[i]) ties++;
      else wrong++;
    }
  }
  const what = `${run.name}: predictions of ${run.images.length} images, ${pixels} px`;
  return verdict(what, wrong === 0, `${wrong} differ, and ${ties} near-ties`, '0 but for near-ties');
}

async function compareLogits(
  golden: GoldenFolder,
  run: PipelineRun,
  { config, folder, checkpoints, store, manifest }: EvaluatedRun,
): Promise<Row[]> {
  const { modelFile } = await prepareModel(folder, checkpoints, config);
  const options = { device: golden.device, threads: 1 };
  const session = await openSession(modelFile, options);
  await using stitcher = await Stitcher.open(
    cropShape(config.model),
    viewKinds(config.pipeline).length,
    options,
    'scores',
  );
  const rows: Row[] = [];
  const side = config.model.backbone.imageSizePx;
  for (const { id, file, subsample: steps } of run.expected.logits) {
    const image = await loadImage(store, ROOT, manifest.images.find((entry) => entry.id === id)!, config);
    const segmenter = new SlideSegmenter(cropShape(config.model), config.run.batch, {
      segment: async (crops) => {
        const outputs = await runSession(
          session,
          { [CROPS]: tensor(crops, [config.run.batch, side, side, 3]) },
          golden.device,
        );
        return outputs[LOGITS]!.data as Float32Array;
      },
      onImage: async (windows) => {
        const { height, width } = image.original;
        const actual = subsample(
          await stitcher.scores(windows),
          [config.model.head.classes, height, width],
          steps,
        );
        rows.push(
          compareArrays(file, actual, npyNumbers(readNpy(golden.path(file))), run.tolerance?.logits ?? {}),
        );
      },
    });
    await segmenter.add(image);
    await segmenter.flush();
  }
  await session.release();
  return rows;
}

function compareMetrics(golden: GoldenFolder, run: PipelineRun, encoded: string): Row[] {
  const matrix = decodeMatrix(encoded);
  const expected = npyNumbers(readNpy(golden.path(run.expected.confusion!)));
  const difference = expected.reduce((sum, count, i) => sum + Math.abs(count - matrix.counts[i]!), 0);
  const limit = run.tolerance!.confusion_abs_diff_sum;
  const metrics = matrixMetrics(matrix);
  const { means_unrounded: means } = parseAs(
    Results,
    golden.json(run.expected.results!),
    run.expected.results!,
  );
  return [
    verdict(run.expected.confusion!, difference <= limit, String(difference), `≤ ${limit} px in all`),
    ...(['mIoU', 'mAcc', 'aAcc'] as const).map((name) =>
      compareNumber(
        `${run.name}: ${name}`,
        metrics[name] ?? Number.NaN,
        means[name],
        run.tolerance!.mIoU_abs,
      ),
    ),
  ];
}
