import '../../onnx/no-telemetry.ts'; // Here, since it is too late in the thread.
import { Thread } from '../../thread.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Computes features of one group of crops after the other. */
export interface Extractor {
  /**
   * @param images `[b, S, S, 3]` float32, b = run.batch; its buffer is used up
   * @returns by tap, `[b, C, g, g]` float32, rounded to `train.features`
   */
  extract(images: Float32Array): Promise<Float32Array[]>;
}

/** What the extractor's thread is started with. */
interface ExtractorOptions {
  modelFile: string;
  /** Where its weights' paths begin, if that isn't its own folder. */
  dataFolder?: string | null;
  config: FeaturesConfig;
}

export interface ExtractorExchange {
  data: ExtractorOptions;
  ask: Float32Array;
  answer: Float32Array[];
}

/** A backbone at work on a thread of its own. */
export class BackboneExtractor implements Extractor, AsyncDisposable {
  readonly #thread: Thread<ExtractorExchange>;

  private constructor(thread: Thread<ExtractorExchange>) {
    this.#thread = thread;
  }

  /** Loads a backbone. @throws BadInput if the device isn't there, OutOfMemory if the model doesn't fit */
  static async open(data: ExtractorOptions): Promise<BackboneExtractor> {
    const program = new URL('./extractor-thread', import.meta.url);
    const thread = new Thread<ExtractorExchange>({ name: "extractor's", program, data });
    await thread.ready;
    return new BackboneExtractor(thread);
  }

  extract(images: Float32Array): Promise<Float32Array[]> {
    return this.#thread.ask(images, [images.buffer as ArrayBuffer]);
  }

  /** Ends the thread after the groups that it has. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#thread[Symbol.asyncDispose]();
  }
}
