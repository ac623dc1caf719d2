import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { fetchToCache } from '../../../activities/deliver/object-cache.ts';
import { ShardEvaluator } from '../../../activities/evaluate/evaluate-shard.ts';
import { planEval } from '../../../activities/plan/plan-eval.ts';
import { classesOf, type VitConfig } from '../../../core/config/model-kinds.ts';
import type { Labels } from '../../../core/image/label-map.ts';
import { addMatrix, emptyMatrix } from '../../../core/metric/confusion-matrix.ts';
import { decodeMatrix } from '../../../core/metric/matrix-codec.ts';
import { matrixMetrics } from '../../../core/metric/metrics.ts';
import { type BenchFiles, stageInputs } from '../stage-inputs.ts';

export interface EvaluatedSet {
  /** Per cent. */
  mIoU: number;
  /** From the first shard's start, its model loaded, to the last one's end. */
  imagesPerSecond: number;
  predictions: Map<string, Labels>;
}

/** Evaluates the first images of a set by a worker's own code, in as many workers at once, without servers. */
export async function evaluateSet(
  files: BenchFiles,
  config: VitConfig,
  { folder, images, workers = 1 }: { folder: string; images: number; workers?: number },
): Promise<EvaluatedSet> {
  const store = memoryStore();
  const input = await stageInputs(store, 's3://bench', files, config);
  const context = { store, launcher: 'local', codeVersion: 'bench', imageDigest: null };
  const alone: VitConfig = { ...config, run: { ...config.run, shards: 1, overlays: 0 } };
  const workflow = { workflowId: 'bench-gpu', runId: 'bench-gpu', taskQueue: 'bench-gpu' };
  const plan = await planEval(context, { ...input, config: alone }, workflow);
  if (plan.kind !== 'run') throw new Error('a run that has not begun has results already');
  const { run } = plan;
  const count = Math.min(images, run.dataset.images);
  const cacheFolder = await mkdtemp(path.join(folder, 'cache-'));
  const predictions = new Map<string, Labels>();
  const evaluators = Array.from(
    { length: workers },
    (_, i) =>
      new ShardEvaluator({
        store,
        worker: `bench-${i}`,
        cacheFolder,
        startSeconds: 0,
        fetch: async (object, { signal }) => ({
          file: await fetchToCache(store, cacheFolder, object, { signal }),
        }),
        onPrediction: (id, labels) => predictions.set(id, labels.slice()),
      }),
  );
  const evaluate = (worker: number, first: number, end: number) =>
    evaluators[worker]!.evaluateShard(
      {
        run,
        range: { shard: worker, first, count: end - first },
        overlays: [],
        classes: null,
        labelIds: null,
        batch: config.run.batch,
      },
      { attempt: 1, signal: new AbortController().signal, heartbeat() {} },
    );
  try {
    // One after the other: both would fetch the same weights.
    for (const worker of evaluators.keys()) await evaluate(worker, 0, 1);
    predictions.clear();
    const start = performance.now();
    const ends = evaluators.map((_, i) => Math.round((count * (i + 1)) / workers));
    const results = await Promise.all(ends.map((end, i) => evaluate(i, ends[i - 1] ?? 0, end)));
    const imagesPerSecond = (1000 * count) / (performance.now() - start);
    const whole = emptyMatrix(classesOf(config.model));
    for (const { matrix } of results) addMatrix(whole, decodeMatrix(matrix));
    return { mIoU: 100 * (matrixMetrics(whole).mIoU ?? Number.NaN), imagesPerSecond, predictions };
  } finally {
    for (const evaluator of evaluators) await evaluator[Symbol.asyncDispose]();
    await rm(cacheFolder, { recursive: true, force: true });
  }
}

/** How far two evaluations of the same images are apart. */
export function difference(one: EvaluatedSet, other: EvaluatedSet) {
  let images = 0;
  let pixels = 0;
  let all = 0;
  for (const [id, labels] of one.predictions) {
    const others = other.predictions.get(id);
    let differ = 0;
    for (let i = 0; i < labels.length; i++) if (labels[i] !== others?.[i]) differ++;
    if (differ > 0) images++;
    pixels += differ;
    all += labels.length;
  }
  return { images, pixels, share: pixels / all };
}

export function differenceText({ images, pixels, share }: ReturnType<typeof difference>): string {
  if (pixels === 0) return 'the same bytes';
  return `${images} images differ, in ${pixels} px (${(100 * share).toPrecision(2)} %)`;
}
