import { MessageChannel } from 'node:worker_threads';
import type { Labels } from '../../core/image/label-map.ts';
import type { Size } from '../../core/image/test-size.ts';
import type { View } from '../../core/image/views.ts';
import { cropShape } from '../../core/model/crop-shape.ts';
import { Thread } from '../thread.ts';
import type {
  ImageToSegment,
  InferenceExchange,
  InferenceOptions,
  InferencePhases,
  Labelled,
  StitcherExchange,
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
  readonly #thread: Thread<InferenceExchange>;
  /** The stitcher's, if it has one. */
  readonly #beside: Thread<StitcherExchange> | null;
  readonly #waiting = new Map<string, Waiting>();
  #failure: Error | null = null;
  /** Seconds of opening the session, and of the first run. */
  readonly start = { buildSeconds: 0, warmUpSeconds: 0 };
  phases: InferencePhases = { graph: 0, stitch: 0, both: 0, batches: 0 };

  private constructor(options: InferenceOptions) {
    const { config, own, stitchBeside = config.run.device === 'cuda' } = options;
    const { port1: stitcher, port2: images } = new MessageChannel();
    const hears = {
      onNews: (labelled: Labelled) => this.#take(labelled),
      onFailure: (failure: Error) => this.#fail(failure),
    };
    this.#thread = new Thread<InferenceExchange>({
      name: 'inference',
      program: new URL('./inference-thread', import.meta.url),
      data: { ...options, stitcher, images: stitchBeside ? null : images },
      transfer: stitchBeside ? [stitcher] : [stitcher, images],
      ...hears,
    });
    this.#beside = stitchBeside
      ? new Thread<StitcherExchange>({
          name: "stitcher's",
          program: new URL('./stitcher-thread', import.meta.url),
          data: { config, shape: cropShape(config.model, own?.plan), images },
          transfer: [images],
          ...hears,
        })
      : null;
  }

  /** Loads a model. @throws BadInput if the device isn't there, OutOfMemory if the model doesn't fit */
  static async open(options: InferenceOptions): Promise<Inference> {
    const inference = new Inference(options);
    try {
      for (const { buildSeconds, warmUpSeconds } of await Promise.all(
        inference.#threads.map(({ ready }) => ready),
      )) {
        inference.start.buildSeconds = Math.max(inference.start.buildSeconds, buildSeconds);
        inference.start.warmUpSeconds += warmUpSeconds;
      }
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
    const message: ImageToSegment = {
      id,
      views: moved,
      original: { width: original.width, height: original.height },
    };
    this.#thread.send(
      message,
      moved.map(({ image }) => image.data.buffer),
    );
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  flush(): void {
    this.#thread.send('flush');
  }

  /** Ends the threads once the batch and the image under way are done; what is waiting is dropped. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread[Symbol.asyncDispose]()));
  }

  get #threads() {
    return this.#beside ? [this.#thread, this.#beside] : [this.#thread];
  }

  #take({ id, labels, phases }: Labelled): void {
    this.phases = phases;
    this.#waiting.get(id)?.resolve(labels);
    this.#waiting.delete(id);
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
