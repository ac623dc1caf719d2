import { Thread } from '../../thread.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Computes features of groups of crops, one group at a time. */
export interface Extractor {
  /**
   * @param images `[b, S, S, 3]` float32, b = run.batch; its buffer is transferred
   * @returns in the order of `ChainPlan.inputs`, each of b crops, float32
   */
  extract(images: Float32Array): Promise<Float32Array[]>;
}

/** Start options of the extractor's thread. */
interface ExtractorOptions {
  modelFile: string;
  /** Base folder of the weights' paths, if it is not the model file's folder. */
  dataFolder?: string | null;
  config: FeaturesConfig;
}

export interface ExtractorExchange {
  data: ExtractorOptions;
  ask: Float32Array;
  answer: Float32Array[];
}

/** The extractor of a training with nothing frozen: crops go to the lowest stage as they are. */
export const NOTHING_FROZEN: Extractor & AsyncDisposable = {
  extract: async (images) => [images],
  async [Symbol.asyncDispose]() {},
};

/** Runs a backbone on a thread of its own. */
export class BackboneExtractor implements Extractor, AsyncDisposable {
  readonly #thread: Thread<ExtractorExchange>;

  private constructor(thread: Thread<ExtractorExchange>) {
    this.#thread = thread;
  }

  /** Loads a backbone. @throws BadInput if the device does not exist, OutOfMemory if the model does not fit */
  static async open(data: ExtractorOptions): Promise<BackboneExtractor> {
    const program = new URL('./extractor-thread', import.meta.url);
    const thread = new Thread<ExtractorExchange>({ name: "extractor's", program, data });
    await thread.ready;
    return new BackboneExtractor(thread);
  }

  extract(images: Float32Array): Promise<Float32Array[]> {
    return this.#thread.ask(images, [images.buffer as ArrayBuffer]);
  }

  /** Ends the thread after its current groups. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#thread[Symbol.asyncDispose]();
  }
}
