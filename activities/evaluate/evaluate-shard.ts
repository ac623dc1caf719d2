import { createHash } from 'node:crypto';
import type {
  ShardHeartbeat,
  ShardResult,
  ShardTask,
  StagedObject,
  WorkerPhases,
} from '../../core/config/eval.ts';
import { asTyped, TypedFailure } from '../../core/config/failures.ts';
import type { DatasetManifest, ManifestImage } from '../../core/config/manifests.ts';
import { classesOf } from '../../core/config/model-kinds.ts';
import { MAX_PIXELS } from '../../core/image/files/image-header.ts';
import type { Labels } from '../../core/image/label-map.ts';
import { ignoredLabelOf } from '../../core/image/to-labels.ts';
import {
  type ConfusionMatrix,
  countPixels,
  emptyMatrix,
  type ImageCounts,
} from '../../core/metric/confusion-matrix.ts';
import { encodePayload } from '../../core/metric/matrix-codec.ts';
import { readPlannedDataset } from '../../core/read-manifest.ts';
import { folderOf, type Store } from '../../core/store.ts';
import { deviceName, driverVersion, ORT_VERSION } from './environment.ts';
import type { Inference } from './inference.ts';
import type { InferencePhases } from './inference-protocol.ts';
import { type LoadedImage, loadImage } from './load-image.ts';
import { type FetchOwnModel, type FetchWeights, type LoadedModel, ModelSlot } from './model-slot.ts';
import { writePictures } from './pictures.ts';
import { prefetch } from './prefetch.ts';
import { writeImageMatrices } from './write-image-matrices.ts';

/** What a worker brings along. */
export interface EvaluateContext {
  store: Store;
  /** Name of this worker: a pod's, or a process's. */
  worker: string;
  /** Folder of the node's cache. */
  cacheFolder: string;
  fetch: FetchWeights;
  /** Absent where only graphs of ours are run. */
  fetchOwnModel?: FetchOwnModel;
  /** Seconds from the process's start until it could take a shard. */
  startSeconds: number;
  /** Sees each label map, `[H, W]`, before it is counted. */
  onPrediction?(id: string, labels: Labels): void;
  /** Hears where the time of each shard went, in more detail than results tell. */
  onTimings?(timings: ShardTimings): void;
}

/** Seconds of a shard's parts, each summed over its images. Loading runs beside inference: the sum isn't the clock's. */
export interface ShardTimings {
  /** Of the model in use, which an earlier shard may have loaded. */
  model: LoadedModel['seconds'];
  images: LoadedImage['seconds'] & { count: number };
  inference: InferencePhases;
}

/** Heartbeats of a shard, and the signal that stops it. */
export interface ShardBeat {
  attempt: number;
  signal: AbortSignal;
  heartbeat(details: ShardHeartbeat): void;
}

/** What has been counted of a shard. */
interface Tally {
  matrix: ConfusionMatrix;
  /** Of each image, by its id. */
  images: Map<string, ImageCounts>;
  evidence: ShardResult['images'];
  warnings: string[];
  seconds: ShardTimings['images'];
}

/** Images fetched and decoded ahead of the one in work: of large ones fewer, since 100 megapixels take 700 MB. */
const AHEAD = {
  items: 4,
  weight: MAX_PIXELS,
  weightOf: (image: ManifestImage) => image.width * image.height,
};
/** Of images whose labels wait for a prediction. */
const MAX_PIXELS_IN_FLIGHT = 4 * MAX_PIXELS;
/** Temporal's history holds each shard's result. */
const MAX_WARNINGS = 10;

/** A worker's `evaluateShard`: the model stays loaded from shard to shard. */
export class ShardEvaluator implements AsyncDisposable {
  readonly #context: EvaluateContext;
  readonly #models: ModelSlot;
  #manifest: { sha256: string; manifest: DatasetManifest } | null = null;
  #current: Promise<unknown> = Promise.resolve();
  #lastEnd: number | null = null;
  #isFirst = true;

  constructor(context: EvaluateContext) {
    this.#context = context;
    this.#models = new ModelSlot(context.cacheFolder, context);
  }

  get worker(): string {
    return this.#context.worker;
  }

  /**
   * One shard after the other, even if Temporal has given up on an earlier one that is still at work here.
   *
   * @throws BadInput, BadData, OutOfMemory, Unavailable, WorkerLost; nothing is written but pictures and images' matrices
   */
  evaluateShard(task: ShardTask, beat: ShardBeat): Promise<ShardResult> {
    // The first heartbeat names the worker, should it be lost before the first image.
    beat.heartbeat({ worker: this.worker, imagesDone: 0, images: task.range.count });
    const evaluated = this.#current.then(() => this.#evaluate(task, beat));
    this.#current = evaluated.catch(() => {});
    return evaluated;
  }

  /** Frees the model, for other work on the same device. It is loaded again when it is needed. */
  async unload(): Promise<void> {
    await this.#current;
    await this.#models.unload();
  }

  /** Waits for the shard at work, which ends soon once its signal is aborted: no model may be loading behind our back. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#current;
    await this.#models[Symbol.asyncDispose]();
  }

  async #evaluate(task: ShardTask, beat: ShardBeat): Promise<ShardResult> {
    beat.signal.throwIfAborted();
    const startedAtMs = Date.now();
    const began = performance.now();
    const { config, dataset } = task.run;
    const { images } = await this.#dataset(dataset);
    const model = await this.#models.load(task, beat.signal);
    const before = model.inference.phases;
    const loaded = performance.now();
    const waited = this.#lastEnd === null ? 0 : began - this.#lastEnd;
    const tally: Tally = {
      matrix: emptyMatrix(classesOf(config.model)),
      images: new Map(),
      evidence: [],
      warnings: [],
      seconds: { fetch: 0, decode: 0, preprocess: 0, count: 0 },
    };
    const mine = images.slice(task.range.first, task.range.first + task.range.count);
    try {
      const evaluated = this.#evaluateImages(task, mine, model.inference, tally, beat);
      await untilAborted(evaluated, beat.signal);
      beat.signal.throwIfAborted();
    } catch (error) {
      // Images of a failed shard may still be in the thread's batch: the next shard starts with a clean one. There is none
      // after a GPU's fault, and who frees its memory may never be answered.
      if (!isLost(error)) await this.#models.unload();
      throw error;
    } finally {
      this.#lastEnd = performance.now();
    }
    const spent = difference(model.inference.phases, before);
    this.#context.onTimings?.({ model: model.seconds, images: tally.seconds, inference: spent });
    const ids = mine.map(({ id }) => id);
    const kept = await writeImageMatrices(this.#context.store, task, ids, tally.images);
    const warnings = [...kept.warnings, ...tally.warnings];
    const idle = (waited + performance.now() - loaded) / 1000 - computeSeconds(spent);
    return {
      shard: task.range.shard,
      matrix: encodePayload(tally.matrix, {
        name: `a shard of ${task.range.count} images`,
        remedy: 'more run.shards make smaller ones',
      }),
      images: tally.evidence,
      ...(kept.imageMatrices ? { imageMatrices: kept.imageMatrices } : {}),
      ...(warnings.length > 0 ? { warnings: warnings.slice(0, MAX_WARNINGS) } : {}),
      worker: this.#context.worker,
      attempt: beat.attempt,
      startedAtMs,
      seconds: (performance.now() - began) / 1000,
      phases: this.#phases(model, spent, idle),
      environment: {
        device: config.run.device,
        deviceName: await deviceName(config.run.device),
        driver: await driverVersion(config.run.device),
        onnxRuntime: ORT_VERSION,
        node: process.versions.node,
        // A model of one's own computes in what it was exported in.
        precision: task.run.ownModel?.plan.output.dtype ?? config.run.precision,
      },
    };
  }

  async #evaluateImages(
    task: ShardTask,
    images: ManifestImage[],
    inference: Inference,
    tally: Tally,
    beat: ShardBeat,
  ): Promise<void> {
    const { store } = this.#context;
    const root = folderOf(task.run.dataset.uri);
    const load = (entry: ManifestImage) =>
      withName(entry.id, beat.signal, loadImage(store, root, entry, task.run.config, task.overlays));
    const heartbeat = () =>
      beat.heartbeat({ worker: this.worker, imagesDone: tally.evidence.length, images: images.length });
    // Every image makes at least one crop, so with more images under way than slots a batch always fills.
    const inFlight = task.batch + AHEAD.items;
    const counted: Promise<void>[] = [];
    let pixels = 0;
    for await (const image of prefetch(images, AHEAD, load)) {
      beat.signal.throwIfAborted();
      const labels = inference.segment(image.id, image.views, image.original);
      const done = labels.then(async (predictions) => {
        await this.#count(task, image, predictions, tally);
        heartbeat();
      });
      const named = withName(image.id, beat.signal, done);
      // Its failure is seen when it is waited for; until then it must not count as unhandled.
      named.catch(() => {});
      counted.push(named);
      await counted[counted.length - 1 - inFlight];
      pixels += image.labels.length;
      if (pixels > MAX_PIXELS_IN_FLIGHT) {
        // So few images may not fill a batch.
        inference.flush();
        await Promise.all(counted);
        pixels = 0;
      }
    }
    inference.flush();
    await Promise.all(counted);
  }

  async #count(task: ShardTask, image: LoadedImage, predictions: Labels, tally: Tally): Promise<void> {
    const start = performance.now();
    this.#context.onPrediction?.(image.id, predictions);
    const ignored = ignoredLabelOf(task.run.config);
    const counted = countPixels(tally.matrix, image.labels, predictions, ignored);
    const { labelledPixels } = counted;
    tally.images.set(image.id, counted);
    const predictionSha256 = createHash('sha256').update(predictions).digest('hex');
    tally.evidence.push({ id: image.id, predictionSha256, labelledPixels });
    tally.seconds.count += (performance.now() - start) / 1000;
    for (const part of ['fetch', 'decode', 'preprocess'] as const) tally.seconds[part] += image.seconds[part];
    tally.warnings.push(...(await writePictures(this.#context.store, task, image, predictions)));
  }

  /** Seconds of the worker's start go to its first shard. */
  #phases({ seconds }: LoadedModel, spent: InferencePhases, idle: number): WorkerPhases {
    const once = (value: number) => (this.#isFirst ? value : 0);
    const phases = {
      start: once(this.#context.startSeconds),
      weightFetch: once(seconds.weightFetch),
      graphBuild: once(seconds.graphBuild + seconds.sessionCreate),
      warmUp: once(seconds.warmUp),
      compute: computeSeconds(spent),
      idle: Math.max(0, idle),
    };
    this.#isFirst = false;
    return phases;
  }

  /** The dataset's manifest, read once; it must be the one that was planned with. */
  async #dataset(planned: StagedObject): Promise<DatasetManifest> {
    const { sha256 } = planned;
    if (this.#manifest?.sha256 !== sha256)
      this.#manifest = { sha256, manifest: await readPlannedDataset(this.#context.store, planned) };
    return this.#manifest.manifest;
  }
}

/** Work on one image; an unforeseen error names it. */
async function withName<T>(image: string, signal: AbortSignal, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw signal.aborted ? error : asTyped(error, image);
  }
}

function isLost(error: unknown): boolean {
  return error instanceof TypedFailure && error.failureClass === 'WorkerLost';
}

/** Work, given up once the signal says stop: its images in flight would be several batches. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  // What is given up fails later, when its model is unloaded.
  work.catch(() => {});
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  await Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}

/** With the model at work: in either thread, or in both. */
function computeSeconds({ graph, stitch, both }: InferencePhases): number {
  return graph + stitch - both;
}

function difference(after: InferencePhases, before: InferencePhases): InferencePhases {
  return {
    graph: after.graph - before.graph,
    stitch: after.stitch - before.stitch,
    both: after.both - before.both,
    batches: after.batches - before.batches,
  };
}
