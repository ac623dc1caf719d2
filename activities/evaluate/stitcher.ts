import { BadData } from '../../core/config/failures.ts';
import type { Labels } from '../../core/image/label-map.ts';
import type { Size } from '../../core/image/test-size.ts';
import type { CropShape } from '../../core/model/crop-shape.ts';
import { type StitchShape, stitchGraph, TILE_ROWS } from '../../core/model/stitch-graph.ts';
import { stitchMatrix } from '../../core/model/stitch-matrix.ts';
import type { InferenceSession, Tensor } from '../onnx/runtime.ts';
import { openSession, runSession, type SessionOptions, tensor } from '../onnx/session.ts';
import type { ImageLogits, ViewLogits } from './slide-segmenter.ts';

/** Turns an image's window logits into its label map (or, for comparisons, its full-size scores). */
export class Stitcher implements AsyncDisposable {
  readonly #session: InferenceSession;
  readonly #shape: StitchShape;
  readonly #result: 'labels' | 'scores';
  readonly #options: SessionOptions;

  private constructor(
    session: InferenceSession,
    shape: StitchShape,
    result: 'labels' | 'scores',
    options: SessionOptions,
  ) {
    this.#session = session;
    this.#shape = shape;
    this.#result = result;
    this.#options = options;
  }

  /** @param views how many views each image has */
  static async open(
    { classes, logitsSide: side }: Pick<CropShape, 'classes' | 'logitsSide'>,
    views: number,
    options: SessionOptions,
    result: 'labels' | 'scores' = 'labels',
  ): Promise<Stitcher> {
    const shape = { classes, side, views };
    const session = await openSession(stitchGraph(shape, result), options);
    return new Stitcher(session, shape, result, options);
  }

  /** @returns labels `[H, W]` of the original's size @throws BadData if the logits are not finite */
  async labels(image: ImageLogits): Promise<Labels> {
    const { height, width } = image.original;
    const data = (await this.#run(image)).data as Uint8Array | Int32Array;
    const labels = data.subarray(0, height * width);
    return labels instanceof Uint8Array ? labels.slice() : Uint16Array.from(labels);
  }

  /** @returns logits of a single view, or mean probabilities of several: `[K, H, W]` float32 of the original's size */
  async scores(image: ImageLogits): Promise<Float32Array> {
    const pixels = image.original.height * image.original.width;
    const innermost = (await this.#run(image)).data as Float32Array;
    const { classes } = this.#shape;
    const out = new Float32Array(classes * pixels);
    for (let i = 0; i < pixels; i++)
      for (let c = 0; c < classes; c++) out[c * pixels + i] = innermost[i * classes + c]!;
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }

  async #run({ id, original, views }: ImageLogits): Promise<Tensor> {
    const inputs: Record<string, Tensor> = {};
    for (const [view, logits] of views.entries()) {
      if (!allFinite(logits.logits))
        throw new BadData(
          `${id}: the model's logits are not finite; are the weights damaged, or of another model?`,
        );
      Object.assign(inputs, this.#viewInputs(view, logits, original));
    }
    return (await runSession(this.#session, inputs, this.#options.device))[this.#result]!;
  }

  #viewInputs(
    view: number,
    { grid, size, isFlipped, logits }: ViewLogits,
    original: Size,
  ): Record<string, Tensor> {
    const { classes, side } = this.#shape;
    const lowRows = grid.tops.length * side;
    const tiles = Math.ceil(original.height / TILE_ROWS);
    const rows = new Float32Array(tiles * TILE_ROWS * lowRows);
    rows.set(stitchMatrix(side, grid.heightPx, grid.tops, size.height, original.height));
    const lowColumns = grid.lefts.length * side;
    const columns = stitchMatrix(side, grid.widthPx, grid.lefts, size.width, original.width);
    // A mirrored view's columns, read backwards, mirror it back.
    if (isFlipped) reverseRows(columns, lowColumns);
    return {
      [`windows_${view}`]: tensor(logits, [grid.tops.length, grid.lefts.length, classes, side, side]),
      [`rows_${view}`]: tensor(rows, [tiles, TILE_ROWS, lowRows]),
      [`columns_${view}`]: tensor(columns, [original.width, lowColumns]),
      [`mosaic_${view}`]: tensor(BigInt64Array.from([lowRows, lowColumns, classes], BigInt), [3]),
    };
  }
}

function allFinite(values: Float32Array): boolean {
  // A plain loop: a callback for each of 400,000 numbers takes longer than the graph does on a GPU.
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

function reverseRows(matrix: Float32Array, width: number): void {
  for (let top = 0, bottom = matrix.length - width; top < bottom; top += width, bottom -= width) {
    const row = matrix.slice(top, top + width);
    matrix.copyWithin(top, bottom, bottom + width);
    matrix.set(row, bottom);
  }
}
