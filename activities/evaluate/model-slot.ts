import type { Config } from '../../core/config/config.ts';
import type { ShardTask, StagedObject } from '../../core/config/eval.ts';
import { isVit, type VitConfig, type VitModel } from '../../core/config/model-kinds.ts';
import { evaluationMemory } from '../../core/model/device-memory.ts';
import type { OwnModelFile } from '../../core/model/own-onnx.ts';
import { removeMarked } from '../cache-mark.ts';
import { checkGpu } from '../onnx/gpu.ts';
import type { CheckpointOnDisk } from '../onnx/write-model.ts';
import { Inference } from './inference.ts';
import type { InferenceOptions } from './inference-protocol.ts';
import { prepareModel } from './prepare-model.ts';

/** A model that is loaded, and the seconds that it took. */
/** A training's checkpoint: the folder is one training's. */
const CHECKPOINT = /^(.*\/checkpoints)\/iter_\d+\.pth$/;

export interface LoadedModel {
  inference: Inference;
  seconds: { weightFetch: number; graphBuild: number; sessionCreate: number; warmUp: number };
}

/** A model that can be opened, and the seconds that this took. */
interface Prepared {
  weightFetch: number;
  graphBuild: number;
  options: InferenceOptions;
}

/** Brings what a model needs of a checkpoint into the node's cache. */
export type FetchWeights = (
  object: StagedObject,
  options: { model: VitModel; signal: AbortSignal },
) => Promise<Omit<CheckpointOnDisk, 'name'>>;

/** Brings an ONNX model and the files that its weights are in into the node's cache, and says where the model lies. */
export type FetchOwnModel = (
  object: StagedObject,
  files: OwnModelFile[],
  options: { signal: AbortSignal },
) => Promise<string>;

/** How models come to this node. */
export interface ModelSources {
  fetch: FetchWeights;
  fetchOwnModel?: FetchOwnModel;
}

/** Room for one model, which stays loaded from shard to shard; another one takes its place. */
export class ModelSlot implements AsyncDisposable {
  readonly #cacheFolder: string;
  readonly #sources: ModelSources;
  #loaded: (LoadedModel & { key: string }) | null = null;
  /** Of the model that was loaded last. */
  #checkpoint: { series: string; sha256: string; file: string } | null = null;

  constructor(cacheFolder: string, sources: ModelSources) {
    this.#cacheFolder = cacheFolder;
    this.#sources = sources;
  }

  /**
   * The task's model, loaded if it isn't.
   *
   * @throws BadInput, BadData, Unavailable; OutOfMemory where the batch doesn't fit, before anything is fetched if the GPU
   *   reports its memory
   */
  async load({ run, batch }: Pick<ShardTask, 'run' | 'batch'>, signal: AbortSignal): Promise<LoadedModel> {
    const config = { ...run.config, run: { ...run.config.run, batch } };
    const key = JSON.stringify([
      config.model,
      config.pipeline,
      config.run,
      run.weights.sha256,
      run.head?.sha256,
      run.ownModel,
    ]);
    if (this.#loaded?.key === key) return this.#loaded;
    await this.unload();
    const { batch: crops, device } = config.run;
    const memory = isVit(config) ? evaluationMemory(config) : 0;
    await checkGpu(device, memory, `run.batch=${crops} of ${config.name}`);
    const { weightFetch, graphBuild, options } = isVit(config)
      ? await this.#prepareVit(run, config, signal)
      : await this.#prepareOwn(run, config, signal);
    const inference = await Inference.open(options);
    const { buildSeconds, warmUpSeconds } = inference.start;
    const seconds = { weightFetch, graphBuild, sessionCreate: buildSeconds, warmUp: warmUpSeconds };
    this.#loaded = { key, inference, seconds };
    return this.#loaded;
  }

  async #prepareVit(run: ShardTask['run'], config: VitConfig, signal: AbortSignal): Promise<Prepared> {
    const start = performance.now();
    const checkpoints = [];
    for (const object of [run.weights, run.head])
      if (object)
        checkpoints.push({
          name: object.uri,
          ...(await this.#sources.fetch(object, { model: config.model, signal })),
        });
    await this.#nextCheckpoint(
      run,
      checkpoints.map(({ file }) => file),
    );
    const fetched = performance.now();
    const { modelFile, dataFolder } = await prepareModel(this.#cacheFolder, checkpoints, config);
    const built = performance.now();
    return {
      weightFetch: (fetched - start) / 1000,
      graphBuild: (built - fetched) / 1000,
      options: { modelFile, dataFolder, config },
    };
  }

  /** The file is run as it is. */
  async #prepareOwn(
    { weights, ownModel }: ShardTask['run'],
    config: Config,
    signal: AbortSignal,
  ): Promise<Prepared> {
    const start = performance.now();
    const { fetchOwnModel } = this.#sources;
    if (!fetchOwnModel || !ownModel) throw new Error('this worker runs no ONNX models');
    const { plan, files } = ownModel;
    const modelFile = await fetchOwnModel(weights, files, { signal });
    return {
      weightFetch: (performance.now() - start) / 1000,
      graphBuild: 0,
      options: { modelFile, config, own: { plan, name: weights.uri } },
    };
  }

  /**
   * One head after another on the same backbone, or one model after another of a training's folder: these are its
   * checkpoints, and nobody asks for the last one again. Eighty of an UperNet would fill the node's disk.
   */
  async #nextCheckpoint({ weights, head }: ShardTask['run'], files: string[]): Promise<void> {
    const last = this.#checkpoint;
    const series = head ? weights.sha256 : CHECKPOINT.exec(weights.uri)?.[1];
    const { sha256 } = head ?? weights;
    const file = files.at(-1);
    this.#checkpoint = series && file ? { series, sha256, file } : null;
    if (last === null || last.series !== series || last.sha256 === sha256) return;
    // A cache that can only be read keeps what it has.
    await removeMarked(last.file).catch(() => {});
  }

  async unload(): Promise<void> {
    await this.#loaded?.inference[Symbol.asyncDispose]();
    this.#loaded = null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.unload();
  }
}
