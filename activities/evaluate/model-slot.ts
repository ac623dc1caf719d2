import type { Config } from '../../core/config/config.ts';
import type { ShardTask, StagedObject } from '../../core/config/eval.ts';
import { Inference } from './inference.ts';
import { prepareModel } from './prepare-model.ts';

/** A model that is loaded, and the seconds that it took. */
export interface LoadedModel {
  inference: Inference;
  seconds: { weightFetch: number; graphBuild: number; sessionCreate: number; warmUp: number };
}

/** Brings what a model needs of a checkpoint into the node's cache and returns its file. */
export type FetchWeights = (
  object: StagedObject,
  options: { model: Config['model']; signal: AbortSignal },
) => Promise<string>;

/** Room for one model, which stays loaded from shard to shard; another one takes its place. */
export class ModelSlot implements AsyncDisposable {
  readonly #cacheFolder: string;
  readonly #fetch: FetchWeights;
  #loaded: (LoadedModel & { key: string }) | null = null;

  constructor(cacheFolder: string, fetch: FetchWeights) {
    this.#cacheFolder = cacheFolder;
    this.#fetch = fetch;
  }

  /** The task's model, loaded if it isn't. */
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
    const start = performance.now();
    const checkpoints = [];
    for (const object of [run.weights, run.head])
      if (object)
        checkpoints.push({
          name: object.uri,
          file: await this.#fetch(object, { model: config.model, signal }),
        });
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

  async unload(): Promise<void> {
    await this.#loaded?.inference[Symbol.asyncDispose]();
    this.#loaded = null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.unload();
  }
}
