import { BadData } from '../../core/config/failures.ts';
import type { RgbImage } from '../../core/image/resize.ts';
import type { Size } from '../../core/image/test-size.ts';
import type { View } from '../../core/image/views.ts';
import type { CropShape } from '../../core/model/crop-shape.ts';
import { slideWindows, type WindowGrid, windowCount } from '../../core/model/slide-windows.ts';

/** One image on its way: the network's inputs, and the size that its label map must have. */
export interface SegmentJob {
  /** For messages. */
  id: string;
  /** One, or those of test-time augmentation. */
  views: View[];
  original: Size;
}

/** A view's logits of all windows, `[windows, K, h, w]` in row order, and how they lie. */
export interface ViewLogits {
  /** The network's input. */
  size: Size;
  isFlipped: boolean;
  grid: WindowGrid;
  logits: Float32Array;
}

export interface ImageLogits {
  id: string;
  original: Size;
  views: ViewLogits[];
}

export interface SegmenterHooks {
  /** Crops `[B, S, S, 3]` to logits `[B, K, h, w]`. */
  segment(crops: Uint8Array): Promise<Float32Array>;
  /** Called once for each image, as soon as its last window's logits are there. */
  onImage(image: ImageLogits): Promise<void>;
}

interface Pending extends ImageLogits {
  /** Windows that have not been run yet. */
  missing: number;
}

/**
 * Cuts images into windows and runs them in full batches of one static shape: windows of several
 * images share a batch, and only the last one, at `flush`, is padded.
 */
export class SlideSegmenter {
  readonly #shape: CropShape;
  readonly #hooks: SegmenterHooks;
  readonly #crops: Uint8Array;
  readonly #batch: number;
  /** Whose window each filled slot of the batch is, and where its logits go. */
  #slots: { pending: Pending; into: Float32Array }[] = [];

  constructor(shape: CropShape, batch: number, hooks: SegmenterHooks) {
    this.#shape = shape;
    this.#batch = batch;
    this.#hooks = hooks;
    this.#crops = new Uint8Array(batch * this.#cropBytes);
  }

  /** @throws BadData if a view is smaller than a crop */
  async add({ id, original, views }: SegmentJob): Promise<void> {
    const pending: Pending = { id, original, views: [], missing: 0 };
    for (const { image, isFlipped } of views) {
      const grid = this.#windows(id, image);
      const logits = new Float32Array(windowCount(grid) * this.#logitsPerCrop);
      const size = { width: image.width, height: image.height };
      pending.views.push({ size, isFlipped, grid, logits });
      pending.missing += windowCount(grid);
    }
    const side = this.#shape.sizePx;
    for (const [index, { image }] of views.entries()) {
      const { grid, logits } = pending.views[index]!;
      let window = 0;
      for (const top of grid.tops) {
        for (const left of grid.lefts) {
          copyWindow(image, top, left, side, this.#crops, this.#slots.length * this.#cropBytes);
          const at = window++ * this.#logitsPerCrop;
          this.#slots.push({ pending, into: logits.subarray(at, at + this.#logitsPerCrop) });
          if (this.#slots.length === this.#batch) await this.flush();
        }
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
    for (const [slot, { pending, into }] of slots.entries()) {
      into.set(logits.subarray(slot * size, (slot + 1) * size));
      pending.missing -= 1;
      if (pending.missing === 0) await this.#hooks.onImage(pending);
    }
  }

  #windows(id: string, image: RgbImage): WindowGrid {
    const grid = slideWindows(image, this.#shape);
    if (grid) return grid;
    const { sizePx, test } = this.#shape;
    const side = `${sizePx}×${sizePx}`;
    throw new BadData(
      `${id}: ${image.height}×${image.width} px after resizing, but ${test.mode} mode needs ` +
        (test.mode === 'slide' ? `at least ${side}` : `exactly ${side}`),
    );
  }

  get #cropBytes(): number {
    return this.#shape.sizePx ** 2 * 3;
  }

  get #logitsPerCrop(): number {
    return this.#shape.classes * this.#shape.logitsSide ** 2;
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
