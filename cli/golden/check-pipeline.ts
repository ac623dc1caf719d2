import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { memoryStore } from '../../activities/deliver/memory-store.ts';
import { decodeAnnotation } from '../../activities/evaluate/decode.ts';
import { ShardEvaluator } from '../../activities/evaluate/evaluate-shard.ts';
import { loadImage } from '../../activities/evaluate/load-image.ts';
import { prepareModel } from '../../activities/evaluate/prepare-model.ts';
import { openSession, runSession, tensor } from '../../activities/evaluate/session.ts';
import { SlideSegmenter } from '../../activities/evaluate/slide-segmenter.ts';
import { Stitcher } from '../../activities/evaluate/stitcher.ts';
import { stageDataset } from '../../activities/stage/stage-dataset.ts';
import type { Config } from '../../core/config/config.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { type DatasetManifest, DatasetManifestSchema } from '../../core/config/manifests.ts';
import { parseAs } from '../../core/config/parse.ts';
import { viewKinds } from '../../core/image/views.ts';
import { decodeMatrix } from '../../core/metric/matrix-codec.ts';
import { matrixMetrics } from '../../core/metric/metrics.ts';
import { CROPS, LOGITS } from '../../core/model/segmenter-graph.ts';
import type { Store } from '../../core/store.ts';
import { compareArrays, compareNumber, type Row, subsample, verdict } from './compare.ts';
import type { GoldenFolder, PipelineRun } from './manifest.ts';
import { AUG_TEST, fromMmcv, NotImplemented } from './mmcv-config.ts';
import { npyNumbers, readNpy } from './npy.ts';

const ROOT = 's3://golden/ade';
const Results = z.looseObject({
  means_unrounded: z.looseObject({ aAcc: z.number(), mIoU: z.number(), mAcc: z.number() }),
});

/** One of the original's test runs, by the code that a worker runs for a shard. */
export async function checkPipeline(golden: GoldenFolder, run: PipelineRun): Promise<Row[]> {
  if (!run.config || !run.checkpoint || !run.pretrained || !run.data_root || !run.tolerance)
    throw new NotImplemented('overlays and format-only output');
  const config = fromMmcv(golden.json(run.config), {}, run.config);
  if (run.aug_test) config.pipeline.augmentation = AUG_TEST;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tessera-golden-'));
  try {
    mkdirSync(path.join(folder, 'objects'));
    const weights = cached(folder, golden.path(run.pretrained));
    const head = cached(folder, golden.path(run.checkpoint));
    const store = memoryStore();
    const { manifest, object } = await stage(store, golden.path(run.data_root), config, run.images);
    const predictions = new Map<string, Uint8Array>();
    await using evaluator = new ShardEvaluator({
      store,
      worker: 'golden',
      cacheFolder: folder,
      startSeconds: 0,
      fetch: async ({ sha256 }) => path.join(folder, 'objects', sha256),
      onPrediction: (id, labels) => predictions.set(id, labels),
    });
    const result = await evaluator.evaluateShard(
      {
        run: {
          prefix: 's3://golden/out',
          config,
          weights,
          head,
          dataset: { ...object, name: 'golden', split: 'validation', images: manifest.images.length },
        },
        overlays: null,
        range: { shard: 0, first: 0, count: manifest.images.length },
        batch: config.run.batch,
      },
      { attempt: 1, signal: new AbortController().signal, heartbeat() {} },
    );
    return [
      comparePredictions(golden, run, predictions),
      ...(await compareLogits(golden, run, config, folder, [weights, head], store, manifest)),
      ...compareMetrics(golden, run, result.matrix),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function cached(folder: string, file: string): StagedObject {
  const bytes = readFileSync(file);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  copyFileSync(file, path.join(folder, 'objects', sha256));
  return { uri: file, sha256, sizeBytes: bytes.length };
}

async function stage(store: Store, source: string, { dataset }: Config, ids: string[]) {
  const { imageDir, annotationDir, imageSuffix, annotationSuffix } = dataset;
  const layout = { imageDir, annotationDir, imageSuffix, annotationSuffix };
  const hooks = { signal: new AbortController().signal, onProgress() {} };
  const { manifestUri } = await stageDataset(
    store,
    { source, destination: ROOT, name: 'golden', ...layout },
    hooks,
  );
  const whole = parseAs(
    DatasetManifestSchema,
    JSON.parse((await store.read(manifestUri)).toString()),
    manifestUri,
  );
  const manifest = { ...whole, images: whole.images.filter((image) => ids.includes(image.id)) };
  const bytes = Buffer.from(JSON.stringify(manifest));
  await store.write(manifestUri, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { manifest, object: { uri: manifestUri, sha256, sizeBytes: bytes.length } };
}

/** Equal wherever the original's two best classes are not nearly tied. */
function comparePredictions(
  golden: GoldenFolder,
  run: PipelineRun,
  predictions: Map<string, Uint8Array>,
): Row {
  let wrong = 0;
  let ties = 0;
  let pixels = 0;
  for (const id of run.images) {
    const file = run.expected.predictions!.replace('{id}', id);
    const expected = decodeAnnotation(readFileSync(golden.path(file)), file).data;
    const tieFile = run.expected.near_tie?.replace('{id}', id) ?? '';
    const tie = golden.has(tieFile)
      ? decodeAnnotation(readFileSync(golden.path(tieFile)), tieFile).data
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
  config: Config,
  folder: string,
  objects: StagedObject[],
  store: Store,
  manifest: DatasetManifest,
): Promise<Row[]> {
  const checkpoints = objects.map(({ uri, sha256 }) => ({
    name: uri,
    file: path.join(folder, 'objects', sha256),
  }));
  const { modelFile } = await prepareModel(folder, checkpoints, config);
  const options = { device: 'cpu' as const, threads: 1 };
  const session = await openSession(modelFile, options);
  await using stitcher = await Stitcher.open(
    config.model,
    viewKinds(config.pipeline).length,
    options,
    'scores',
  );
  const rows: Row[] = [];
  const side = config.model.backbone.imageSizePx;
  for (const { id, file, subsample: steps } of run.expected.logits) {
    const image = await loadImage(store, ROOT, manifest.images.find((entry) => entry.id === id)!, config);
    const segmenter = new SlideSegmenter(config.model, config.run.batch, {
      segment: async (crops) => {
        const outputs = await runSession(
          session,
          { [CROPS]: tensor(crops, [config.run.batch, side, side, 3]) },
          'cpu',
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
