import { fetchToCache } from '../../activities/deliver/object-cache.ts';
import { ShardEvaluator, type ShardTimings } from '../../activities/evaluate/evaluate-shard.ts';
import { planEval } from '../../activities/plan/plan-eval.ts';
import type { EvalInput, ShardResult, ShardTask } from '../../core/config/eval.ts';
import { type DatasetManifest, DatasetManifestSchema } from '../../core/config/manifests.ts';
import type { VitConfig } from '../../core/config/model-kinds.ts';
import { networkSize } from '../../core/image/test-size.ts';
import { cropShape } from '../../core/model/crop-shape.ts';
import { slideWindows, windowCount } from '../../core/model/slide-windows.ts';
import { readManifest } from '../../core/read-manifest.ts';
import type { Store } from '../../core/store.ts';
import { type BenchReport, median, type Pass } from './bench-report.ts';

/** Images that the first, unmeasured pass goes over: enough for every function to have been compiled. */
const WARM_UP_IMAGES = 8;

export interface InProcessOptions {
  store: Store;
  input: EvalInput;
  config: VitConfig;
  /** The config's own number is for several workers beside one another. */
  threads: number;
  /** Of each pass: the first ones of the set, or all if there are fewer. */
  images: number;
  passes: number;
  /** Empty, so that the weights are fetched. */
  cacheFolder: string;
  say(step: string): void;
  /** Called with what each measured pass has counted. */
  onPass?(result: ShardResult): void;
}

/**
 * Times a worker's own code on staged data, in this process and without Temporal: plans the run as the
 * workflow does, then evaluates its images as one shard, again and again.
 */
export async function benchInProcess(options: InProcessOptions): Promise<BenchReport['inProcess']> {
  const { store, say } = options;
  const task = await planTask(options);
  const { manifest } = await readManifest(
    store,
    task.run.dataset.uri,
    DatasetManifestSchema,
    'Stage it again',
  );
  const images = Math.min(options.images, manifest.images.length);
  const crops = countCrops(manifest, images, options.config);

  let timings: ShardTimings | null = null;
  await using evaluator = new ShardEvaluator({
    store,
    worker: 'bench',
    cacheFolder: options.cacheFolder,
    fetch: async (object, { signal }) => ({
      file: await fetchToCache(store, options.cacheFolder, object, { signal }),
    }),
    startSeconds: 0,
    onTimings: (latest) => {
      timings = latest;
    },
  });
  const evaluate = async (count: number): Promise<ShardTimings & { result: ShardResult }> => {
    const beat = { attempt: 1, signal: new AbortController().signal, heartbeat() {} };
    const result = await evaluator.evaluateShard({ ...task, range: { shard: 0, first: 0, count } }, beat);
    return { ...timings!, result };
  };

  say('in this process: loading the model, warming up');
  const { model: load } = await evaluate(Math.min(images, WARM_UP_IMAGES));
  const passes: Pass[] = [];
  for (let pass = 1; pass <= options.passes; pass++) {
    say(`in this process: pass ${pass} / ${options.passes} over ${images} images`);
    const { result, images: loading, inference } = await evaluate(images);
    options.onPass?.(result);
    const { seconds } = result;
    const { batches, graph, stitch, both } = inference;
    const { fetch, decode, preprocess, count } = loading;
    passes.push({
      seconds,
      imagesPerSecond: images / seconds,
      cropsPerSecond: crops / seconds,
      batches,
      split: { graph, stitch, both, fetch, decode, preprocess, count },
    });
  }
  const imagesPerSecond = median(passes.map((pass) => pass.imagesPerSecond));
  const cropsPerSecond = median(passes.map((pass) => pass.cropsPerSecond));
  return {
    images,
    crops,
    threads: options.threads,
    load,
    passes,
    median: { imagesPerSecond, cropsPerSecond },
  };
}

/** The whole set as one shard, and no overlays. */
async function planTask({ store, input, config, threads }: InProcessOptions): Promise<ShardTask> {
  const context = { store, launcher: 'local', codeVersion: 'bench', imageDigest: null };
  const alone: VitConfig = { ...config, run: { ...config.run, threads, shards: 1, overlays: 0 } };
  const workflow = { workflowId: `bench-${Date.now()}`, runId: 'bench', taskQueue: 'bench' };
  const plan = await planEval(context, { ...input, config: alone }, workflow);
  if (plan.kind !== 'run') throw new Error(`${workflow.workflowId} has results already`);
  const { run } = plan;
  return { run, range: run.shards[0]!, overlays: [], classes: null, labelIds: null, batch: config.run.batch };
}

function countCrops(manifest: DatasetManifest, images: number, { model, pipeline }: VitConfig): number {
  const counts = manifest.images
    .slice(0, images)
    .map((image) => windowCount(slideWindows(networkSize(image, pipeline.resize), cropShape(model))!));
  return counts.reduce((sum, crops) => sum + crops, 0);
}
