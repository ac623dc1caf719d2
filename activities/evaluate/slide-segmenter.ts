import type { Config } from '../../core/config/config.ts';
import { BadData } from '../../core/config/failures.ts';
import type { RgbImage } from '../../core/image/resize.ts';
import type { Size } from '../../core/image/test-size.ts';
import { logitsSide } from '../../core/model/head.ts';
import { slideWindows, type WindowGrid, windowCount } from '../../core/model/slide-windows.ts';

/** One image on its way: the network's input, and the size that its label map must have. */
export interface SegmentJob {
  /** For messages. */
  id: string;
  image: RgbImage;
  original: Size;
}

/** An image's logits of all windows, `[windows, K, h, w]` in row order, and how they lie. */
export interface WindowLogits {
  job: SegmentJob;
  grid: WindowGrid;
  logits: Float32Array;
}

export interface SegmenterHooks {
  /** Crops `[B, S, S, 3]` to logits `[B, K, h, w]`. */
  segment(crops: Uint8Array): Promise<Float32Array>;
  /** Called once for each image, as soon as its last window's logits are there. */
  onImage(image: WindowLogits): Promise<void>;
}

/**
 * Cuts images into windows and runs them in full batches of one static shape: windows of several
 * images share a batch, and only the last one, at `flush`, is padded.
 */
export class SlideSegmenter {
  readonly #model: Config['model'];
  readonly #hooks: SegmenterHooks;
  readonly #crops: Uint8Array;
  readonly #batch: number;
  /** Which image's which window each filled slot of the batch is. */
  #slots: { pending: WindowLogits; window: number }[] = [];

  constructor(model: Config['model'], batch: number, hooks: SegmenterHooks) {
    this.#model = model;
    this.#batch = batch;
    this.#hooks = hooks;
    this.#crops = new Uint8Array(batch * this.#cropBytes);
  }

  /** @throws BadData if the image is smaller than a crop */
  async add(job: SegmentJob): Promise<void> {
    const { image } = job;
    const grid = slideWindows(image, this.#model);
    const side = this.#model.backbone.imageSizePx;
    if (!grid)
      throw new BadData(
        `${job.id}: ${image.height}×${image.width} px after resizing, but ${this.#model.test.mode} mode needs ` +
          (this.#model.test.mode === 'slide' ? `at least ${side}×${side}` : `exactly ${side}×${side}`),
      );
    const logits = new Float32Array(windowCount(grid) * this.#logitsPerCrop);
    const pending: WindowLogits = { job, grid, logits };
    let window = 0;
    for (const top of grid.tops) {
      for (const left of grid.lefts) {
        copyWindow(image, top, left, side, this.#crops, this.#slots.length * this.#cropBytes);
        this.#slots.push({ pending, window: window++ });
        if (this.#slots.length === this.#batch) await this.flush();
      }
    }
  }

  /** Runs what is waiting, padded with whatever the free slots last held. */
  async flush(): Promise<void> {
    const slots = this.#slots;
    if (slots.length === 0) return;
    this.#slots = [];
    const size = this.#logitsPerCrop;
    const logits = await this.#hooks.segment(this.#crops);
    for (const [slot, { pending, window }] of slots.entries()) {
      const part = logits.subarray(slot * size, (slot + 1) * size);
      pending.logits.set(part, window * size);
      const isLast = window === windowCount(pending.grid) - 1;
      if (isLast) await this.#hooks.onImage(pending);
    }
  }

  get #cropBytes(): number {
    return this.#model.backbone.imageSizePx ** 2 * 3;
  }

  get #logitsPerCrop(): number {
    return this.#model.head.classes * logitsSide(this.#model) ** 2;
  }
}

function copyWindow(
  image: RgbImage,
  top: number,
  left: number,
  side: number,
  into: Uint8Array,
  at: number,
): void {
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * image.width + left) * 3;
    into.set(image.data.subarray(from, from + side * 3), at + y * side * 3);
  }
}
