import { createHash } from 'node:crypto';
import os from 'node:os';
import type { ShardResult, ShardTask, StagedObject, WorkerPhases } from '../../core/config/eval.ts';
import { BadData } from '../../core/config/failures.ts';
import { type DatasetManifest, DatasetManifestSchema } from '../../core/config/manifests.ts';
import { countPixels, emptyMatrix } from '../../core/metric/confusion-matrix.ts';
import { encodeMatrix } from '../../core/metric/matrix-codec.ts';
import { readManifest } from '../../core/read-manifest.ts';
import { joinUri, type Store } from '../../core/store.ts';
import { deviceName, driverVersion, ORT_VERSION } from './environment.ts';
import { Inference } from './inference.ts';
import { type LoadedImage, loadImage } from './load-image.ts';
import { renderOverlay } from './overlay.ts';
import { prefetch } from './prefetch.ts';
import { prepareModel } from './prepare-model.ts';

/** What a worker brings along. */
export interface EvaluateContext {
  store: Store;
  /** Name of this worker: a pod's, or a process's. */
  worker: string;
  /** Folder of the node's cache. */
  cacheFolder: string;
  /** Brings an object into the cache and returns its file. */
  fetch(object: StagedObject, options: { signal: AbortSignal }): Promise<string>;
  /** Seconds from the process's start until it could take a shard. */
  startSeconds: number;
  /** Sees each label map, `[H, W]`, before it is counted. */
  onPrediction?(id: string, labels: Uint8Array): void;
}

/** How a shard tells that it lives, and hears that it shall stop. */
export interface ShardBeat {
  attempt: number;
  signal: AbortSignal;
  heartbeat(details: { imagesDone: number; images: number }): void;
}

/** Images fetched and decoded ahead of the one in work. */
const AHEAD = 4;

interface LoadedModel {
  key: string;
  inference: Inference;
  weightFetch: number;
  graphBuild: number;
}

/** A worker's `evaluateShard`: the model stays loaded from shard to shard. */
export class ShardEvaluator implements AsyncDisposable {
  readonly #context: EvaluateContext;
  #model: LoadedModel | null = null;
  #manifest: { sha256: string; manifest: DatasetManifest } | null = null;
  #lastEnd: number | null = null;

  constructor(context: EvaluateContext) {
    this.#context = context;
  }

  /** @throws BadInput, BadData, OutOfMemory, Unavailable; nothing is published but overlays */
  async evaluateShard(task: ShardTask, beat: ShardBeat): Promise<ShardResult> {
    const startedAtMs = Date.now();
    const began = performance.now();
    const { config, dataset } = task.run;
    const isFirst = this.#model === null;
    const waitedSince = this.#lastEnd;
    const manifest = await this.#dataset(dataset);
    const model = await this.#load(task, beat.signal);
    const { inference } = model;
    const computeBefore = inference.phases.graph + inference.phases.stitch;
    const loaded = performance.now();

    const images = manifest.images.slice(task.range.first, task.range.first + task.range.count);
    const root = dataset.uri.slice(0, dataset.uri.lastIndexOf('/'));
    const matrix = emptyMatrix(config.model.head.classes);
    const evidence: ShardResult['images'] = [];
    const heartbeat = () => beat.heartbeat({ imagesDone: evidence.length, images: images.length });
    heartbeat();

    const count = async (image: LoadedImage, predictions: Uint8Array) => {
      this.#context.onPrediction?.(image.id, predictions);
      const labelledPixels = countPixels(matrix, image.labels, predictions, config.dataset.ignoreIndex);
      const predictionSha256 = createHash('sha256').update(predictions).digest('hex');
      evidence.push({ id: image.id, predictionSha256, labelledPixels });
      if (task.overlays?.ids.includes(image.id)) await this.#writeOverlay(task, image, predictions);
      heartbeat();
    };

    // Every image makes at least one crop, so with more images under way than slots a batch always fills.
    const inFlight = task.batch + AHEAD;
    const counted: Promise<void>[] = [];
    try {
      for await (const image of prefetch(images, AHEAD, (entry) =>
        loadImage(this.#context.store, root, entry, config),
      )) {
        beat.signal.throwIfAborted();
        const labels = inference.segment(image.id, image.input, image.original);
        const done = labels.then((predictions) => count(image, predictions));
        done.catch(() => {});
        counted.push(done);
        await counted[counted.length - 1 - inFlight];
      }
      inference.flush();
      await Promise.all(counted);
    } catch (error) {
      // Images of a failed shard may still be in the thread's batch: the next shard starts with a clean one.
      await this.#unload();
      throw error;
    } finally {
      this.#lastEnd = performance.now();
    }
    beat.signal.throwIfAborted();

    const compute = inference.phases.graph + inference.phases.stitch - computeBefore;
    const waited = waitedSince === null ? 0 : began - waitedSince;
    const idle = (waited + performance.now() - loaded) / 1000 - compute;
    return {
      shard: task.range.shard,
      matrix: encodeMatrix(matrix),
      images: evidence,
      worker: this.#context.worker,
      attempt: beat.attempt,
      startedAtMs,
      seconds: (performance.now() - began) / 1000,
      phases: this.#phases(model, isFirst, compute, idle),
      environment: {
        device: config.run.device,
        deviceName: await deviceName(config.run.device),
        driver: await driverVersion(config.run.device),
        onnxRuntime: ORT_VERSION,
        node: process.versions.node,
        precision: config.run.precision,
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unload();
  }

  async #writeOverlay(task: ShardTask, image: LoadedImage, predictions: Uint8Array): Promise<void> {
    const picture = await renderOverlay(image, predictions, task.overlays!.classes);
    const uri = joinUri(task.run.prefix, 'overlays', `${image.id}.webp`);
    await this.#context.store.write(uri, picture, { contentType: 'image/webp' });
  }

  #phases(model: LoadedModel, isFirst: boolean, compute: number, idle: number): WorkerPhases {
    const { buildSeconds, warmUpSeconds } = model.inference.start;
    const once = (seconds: number) => (isFirst ? seconds : 0);
    return {
      start: once(this.#context.startSeconds),
      weightFetch: once(model.weightFetch),
      graphBuild: once(model.graphBuild + buildSeconds),
      warmUp: once(warmUpSeconds),
      compute,
      idle: Math.max(0, idle),
    };
  }

  /** The dataset's manifest, read once; it must be the one that was planned with. */
  async #dataset({ uri, sha256 }: StagedObject): Promise<DatasetManifest> {
    if (this.#manifest?.sha256 !== sha256) {
      const { manifest, object } = await readManifest(
        this.#context.store,
        uri,
        DatasetManifestSchema,
        'Stage it again',
      );
      if (object.sha256 !== sha256)
        throw new BadData(`${uri}: changed since the run was planned; start the run again`);
      this.#manifest = { sha256, manifest };
    }
    return this.#manifest.manifest;
  }

  async #load({ run, batch }: ShardTask, signal: AbortSignal): Promise<LoadedModel> {
    const config = { ...run.config, run: { ...run.config.run, batch } };
    const key = JSON.stringify([
      config.model,
      config.pipeline,
      config.run,
      run.weights.sha256,
      run.head?.sha256,
    ]);
    if (this.#model?.key === key) return this.#model;
    await this.#unload();
    const start = performance.now();
    const objects = [run.weights, run.head].filter((object) => object !== null);
    const checkpoints = [];
    for (const object of objects)
      checkpoints.push({ name: object.uri, file: await this.#context.fetch(object, { signal }) });
    const fetched = performance.now();
    const { modelFile } = await prepareModel(this.#context.cacheFolder, checkpoints, config);
    const built = performance.now();
    const inference = await Inference.open({ modelFile, config: withThreads(config) });
    this.#model = {
      key,
      inference,
      weightFetch: (fetched - start) / 1000,
      graphBuild: (built - fetched) / 1000,
    };
    return this.#model;
  }

  async #unload(): Promise<void> {
    await this.#model?.inference[Symbol.asyncDispose]();
    this.#model = null;
  }
}

/** ONNX Runtime's own default counts cores of the machine, not those that this process may use. */
function withThreads(config: ShardTask['run']['config']): ShardTask['run']['config'] {
  const threads = config.run.threads || os.availableParallelism();
  return { ...config, run: { ...config.run, threads } };
}
