import { Worker } from 'node:worker_threads';
import '../../onnx/no-telemetry.ts'; // Here, since it is too late in the thread.
import { errorOf } from '../../onnx/thread-failure.ts';
import type { ExtractorOptions, FromExtractor, ToExtractor } from './extractor-protocol.ts';

/** Computes features of one group of crops after the other. */
export interface Extractor {
  /**
   * @param images `[b, S, S, 3]` float32, b = run.batch; its buffer is used up
   * @returns by tap, `[b, C, g, g]` float32, rounded to `train.features`
   */
  extract(images: Float32Array): Promise<Float32Array[]>;
}

interface Waiting {
  resolve(features: Float32Array[]): void;
  reject(error: Error): void;
}

/** A backbone at work on a thread of its own. */
export class BackboneExtractor implements Extractor, AsyncDisposable {
  readonly #thread: Worker;
  readonly #exited: Promise<void>;
  readonly #waiting: Waiting[] = [];
  #failure: Error | null = null;

  private constructor(thread: Worker) {
    this.#thread = thread;
    this.#exited = new Promise((resolve) => thread.once('exit', () => resolve()));
  }

  /** Loads a backbone. @throws BadInput if the device isn't there, OutOfMemory if the model doesn't fit */
  static async open(options: ExtractorOptions): Promise<BackboneExtractor> {
    const thread = new Worker(new URL('./extractor-thread.mjs', import.meta.url), { workerData: options });
    const extractor = new BackboneExtractor(thread);
    await extractor.#ready();
    return extractor;
  }

  extract(images: Float32Array): Promise<Float32Array[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    this.#thread.postMessage({ type: 'extract', images } satisfies ToExtractor, [
      images.buffer as ArrayBuffer,
    ]);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Ends the thread after the groups that it has: ONNX Runtime's binding aborts the process if killed in a call. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#thread.postMessage({ type: 'close' } satisfies ToExtractor);
    await this.#exited;
  }

  #ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error: Error) => {
        this.#failure ??= error;
        for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure);
        reject(this.#failure);
      };
      this.#thread.on('message', (message: FromExtractor) => {
        if (message.type === 'ready') resolve();
        else if (message.type === 'features') this.#waiting.shift()?.resolve(message.features);
        else end(errorOf(message));
      });
      this.#thread.on('error', end);
      this.#thread.on('exit', (code) => end(new Error(`the extractor's thread ended (exit code ${code})`)));
    });
  }
}
