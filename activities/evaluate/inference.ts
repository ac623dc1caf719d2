import { MessageChannel, Worker } from 'node:worker_threads';
import '../onnx/no-telemetry.ts'; // Here, since it is too late in the thread.
import type { Labels } from '../../core/image/label-map.ts';
import type { Size } from '../../core/image/test-size.ts';
import type { View } from '../../core/image/views.ts';
import { errorOf } from '../onnx/thread-failure.ts';
import type {
  FromInference,
  FromStitcher,
  InferenceOptions,
  InferencePhases,
  InferenceThreadOptions,
  StitcherOptions,
  ToInference,
} from './inference-protocol.ts';

interface Waiting {
  resolve(labels: Labels): void;
  reject(error: Error): void;
}

/**
 * A model at work on a thread of its own, on CUDA on two: one runs the graph, the other one stitches. `segment` may be
 * called many times without waiting: windows of several images fill a batch together. After the last image, `flush` runs
 * what is waiting.
 */
export class Inference implements AsyncDisposable {
  /** The inference thread, and the stitcher's if it has one. */
  readonly #threads: [Worker, ...Worker[]];
  readonly #exited: Promise<unknown>;
  readonly #waiting = new Map<string, Waiting>();
  #failure: Error | null = null;
  /** Seconds of opening the session, and of the first run. */
  readonly start = { buildSeconds: 0, warmUpSeconds: 0 };
  phases: InferencePhases = { graph: 0, stitch: 0, both: 0, batches: 0 };

  private constructor(threads: [Worker, ...Worker[]]) {
    this.#threads = threads;
    this.#exited = Promise.all(
      threads.map((thread) => new Promise<void>((resolve) => thread.once('exit', () => resolve()))),
    );
  }

  /** Loads a model. @throws BadInput if the device isn't there, OutOfMemory if the model doesn't fit */
  static async open(options: InferenceOptions): Promise<Inference> {
    const { config, stitchBeside = config.run.device === 'cuda' } = options;
    const { port1: stitcher, port2: images } = new MessageChannel();
    const thread = new Worker(new URL('./inference-thread.mjs', import.meta.url), {
      workerData: {
        ...options,
        stitcher,
        images: stitchBeside ? null : images,
      } satisfies InferenceThreadOptions,
      transferList: stitchBeside ? [stitcher] : [stitcher, images],
    });
    const beside = () =>
      new Worker(new URL('./stitcher-thread.mjs', import.meta.url), {
        workerData: { config, images } satisfies StitcherOptions,
        transferList: [images],
      });
    const inference = new Inference(stitchBeside ? [thread, beside()] : [thread]);
    const ready = inference.#threads.map((one) => inference.#ready(one));
    try {
      await Promise.all(ready);
    } catch (error) {
      // Not waited for: one may be opening still, or ask a GPU that never answers.
      void inference[Symbol.asyncDispose]();
      throw error;
    }
    return inference;
  }

  /**
   * @param id unique among the images in flight
   * @param views the network's inputs, each `[H, W, 3]`; their bytes are moved to the thread
   * @param original size of the label map
   * @returns label map `[H, W]`
   */
  segment(id: string, views: View[], original: Size): Promise<Labels> {
    if (this.#failure) return Promise.reject(this.#failure);
    const moved = views.map(({ image: { width, height, data }, isFlipped }) => ({
      image: { width, height, data: ownBytes(data) },
      isFlipped,
    }));
    const message: ToInference = {
      type: 'image',
      id,
      views: moved,
      original: { width: original.width, height: original.height },
    };
    this.#threads[0].postMessage(
      message,
      moved.map(({ image }) => image.data.buffer),
    );
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  flush(): void {
    this.#threads[0].postMessage({ type: 'flush' } satisfies ToInference);
  }

  /**
   * Ends the threads once the batch and the image under way are done; what is waiting is dropped. They are never killed:
   * ONNX Runtime's binding aborts the whole process when its thread ends in the middle of a call.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const thread of this.#threads) thread.postMessage({ type: 'close' } satisfies ToInference);
    await this.#exited;
  }

  #ready(thread: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      thread.on('message', (message: FromInference | FromStitcher) => {
        if (message.type === 'ready') {
          // Both open at the same time.
          this.start.buildSeconds = Math.max(this.start.buildSeconds, message.buildSeconds);
          this.start.warmUpSeconds += message.warmUpSeconds;
          resolve();
        } else if (message.type === 'labels') {
          this.phases = message.phases;
          this.#waiting.get(message.id)?.resolve(message.labels);
          this.#waiting.delete(message.id);
        } else {
          const error = errorOf(message);
          this.#fail(error);
          reject(error);
        }
      });
      thread.on('error', (error: Error) => {
        this.#fail(error);
        reject(error);
      });
      thread.on('exit', (code) => {
        const name = thread === this.#threads[0] ? 'inference' : "stitcher's";
        const error = new Error(`the ${name} thread ended (exit code ${code})`);
        this.#fail(error);
        reject(error);
      });
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}

/** Bytes whose buffer is ours alone: what is moved away must not be part of a pool, or a library's own memory. */
function ownBytes(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const alone =
    !Buffer.isBuffer(data) &&
    data.buffer instanceof ArrayBuffer &&
    data.byteLength === data.buffer.byteLength;
  return alone ? (data as Uint8Array<ArrayBuffer>) : new Uint8Array(data);
}
