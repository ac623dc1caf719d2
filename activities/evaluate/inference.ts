import { Worker } from 'node:worker_threads';
import '../onnx/no-telemetry.ts'; // Here, since it is too late in the thread.
import type { Size } from '../../core/image/test-size.ts';
import type { View } from '../../core/image/views.ts';
import { errorOf } from '../onnx/thread-failure.ts';
import type { FromInference, InferenceOptions, InferencePhases, ToInference } from './inference-protocol.ts';

interface Waiting {
  resolve(labels: Uint8Array): void;
  reject(error: Error): void;
}

/**
 * A model at work on a thread of its own. `segment` may be called many times without waiting: windows
 * of several images fill a batch together. After the last image, `flush` runs what is waiting.
 */
export class Inference implements AsyncDisposable {
  readonly #thread: Worker;
  readonly #exited: Promise<void>;
  readonly #waiting = new Map<string, Waiting>();
  #failure: Error | null = null;
  /** Seconds of opening the session, and of the first run. */
  readonly start = { buildSeconds: 0, warmUpSeconds: 0 };
  phases: InferencePhases = { graph: 0, stitch: 0, batches: 0 };

  private constructor(thread: Worker) {
    this.#thread = thread;
    this.#exited = new Promise((resolve) => thread.once('exit', () => resolve()));
  }

  /** Loads a model. @throws BadInput if the device isn't there, OutOfMemory if the model doesn't fit */
  static async open(options: InferenceOptions): Promise<Inference> {
    const thread = new Worker(new URL('./inference-thread.mjs', import.meta.url), { workerData: options });
    const inference = new Inference(thread);
    await inference.#ready();
    return inference;
  }

  /**
   * @param id unique among the images in flight
   * @param views the network's inputs, each `[H, W, 3]`; their bytes are moved to the thread
   * @param original size of the label map
   * @returns label map `[H, W]` uint8
   */
  segment(id: string, views: View[], original: Size): Promise<Uint8Array> {
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
    this.#thread.postMessage(
      message,
      moved.map(({ image }) => image.data.buffer),
    );
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  flush(): void {
    this.#thread.postMessage({ type: 'flush' } satisfies ToInference);
  }

  /**
   * Ends the thread once the batch under way has run; what is waiting is dropped. It is never killed:
   * ONNX Runtime's binding aborts the whole process when its thread ends in the middle of a call.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#thread.postMessage({ type: 'close' } satisfies ToInference);
    await this.#exited;
  }

  #ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#thread.on('message', (message: FromInference) => {
        if (message.type === 'ready') {
          this.start.buildSeconds = message.buildSeconds;
          this.start.warmUpSeconds = message.warmUpSeconds;
          resolve();
        } else if (message.type === 'labels') {
          this.phases = message.phases;
          this.#waiting.get(message.id)?.resolve(message.labels);
          this.#waiting.delete(message.id);
        } else {
          this.#fail(errorOf(message));
          reject(this.#failure);
        }
      });
      this.#thread.on('error', (error: Error) => {
        this.#fail(error);
        reject(error);
      });
      this.#thread.on('exit', (code) => {
        this.#fail(new Error(`the inference thread ended (exit code ${code})`));
        reject(this.#failure);
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
