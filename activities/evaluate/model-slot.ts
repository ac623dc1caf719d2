import type { Config } from '../../core/config/config.ts';
import type { ShardTask, StagedObject } from '../../core/config/eval.ts';
import { evaluationMemory } from '../../core/model/device-memory.ts';
import { removeMarked } from '../cache-mark.ts';
import { checkGpu } from '../onnx/gpu.ts';
import type { CheckpointOnDisk } from '../onnx/write-model.ts';
import { Inference } from './inference.ts';
import { prepareModel } from './prepare-model.ts';

/** A model that is loaded, and the seconds that it took. */
export interface LoadedModel {
  inference: Inference;
  seconds: { weightFetch: number; graphBuild: number; sessionCreate: number; warmUp: number };
}

/** Brings what a model needs of a checkpoint into the node's cache. */
export type FetchWeights = (
  object: StagedObject,
  options: { model: Config['model']; signal: AbortSignal },
) => Promise<Omit<CheckpointOnDisk, 'name'>>;

/** Room for one model, which stays loaded from shard to shard; another one takes its place. */
export class ModelSlot implements AsyncDisposable {
  readonly #cacheFolder: string;
  readonly #fetch: FetchWeights;
  #loaded: (LoadedModel & { key: string }) | null = null;
  /** Of the model that was loaded last. */
  #head: { weights: string; sha256: string; file: string } | null = null;

  constructor(cacheFolder: string, fetch: FetchWeights) {
    this.#cacheFolder = cacheFolder;
    this.#fetch = fetch;
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
    ]);
    if (this.#loaded?.key === key) return this.#loaded;
    await this.unload();
    const { batch: crops, device } = config.run;
    await checkGpu(device, evaluationMemory(config), `run.batch=${crops} of ${config.name}`);
    const start = performance.now();
    const checkpoints = [];
    for (const object of [run.weights, run.head])
      if (object)
        checkpoints.push({
          name: object.uri,
          ...(await this.#fetch(object, { model: config.model, signal })),
        });
    await this.#nextHead(run, checkpoints[1]?.file);
    const fetched = performance.now();
    const { modelFile, dataFolder } = await prepareModel(this.#cacheFolder, checkpoints, config);
    const built = performance.now();
    const inference = await Inference.open({ modelFile, dataFolder, config });
    const { buildSeconds, warmUpSeconds } = inference.start;
    const seconds = {
      weightFetch: (fetched - start) / 1000,
      graphBuild: (built - fetched) / 1000,
      sessionCreate: buildSeconds,
      warmUp: warmUpSeconds,
    };
    this.#loaded = { key, inference, seconds };
    return this.#loaded;
  }

  /**
   * One head after another on the same backbone: these are a training's checkpoints, and nobody asks for the last one
   * again. Eighty of an UperNet would fill the node's disk.
   */
  async #nextHead({ weights, head }: ShardTask['run'], file: string | undefined): Promise<void> {
    const last = this.#head;
    this.#head = head && file ? { weights: weights.sha256, sha256: head.sha256, file } : null;
    if (last === null || last.weights !== weights.sha256 || last.sha256 === head?.sha256) return;
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
