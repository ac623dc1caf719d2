import type { InferenceSession } from 'onnxruntime-node';
import type { Config } from '../../core/config/config.ts';
import { BadData } from '../../core/config/failures.ts';
import { logitsSide } from '../../core/model/head.ts';
import { stitchGraph, TILE_ROWS } from '../../core/model/stitch-graph.ts';
import { stitchMatrix } from '../../core/model/stitch-matrix.ts';
import { openSession, runSession, type SessionOptions, tensor } from './session.ts';
import type { WindowLogits } from './slide-segmenter.ts';

/** Turns an image's window logits into its label map (or, for comparisons, its full-size logits). */
export class Stitcher implements AsyncDisposable {
  readonly #session: InferenceSession;
  readonly #low: { classes: number; height: number; width: number };
  readonly #result: 'labels' | 'logits';
  readonly #options: SessionOptions;

  private constructor(
    session: InferenceSession,
    low: { classes: number; height: number; width: number },
    result: 'labels' | 'logits',
    options: SessionOptions,
  ) {
    this.#session = session;
    this.#low = low;
    this.#result = result;
    this.#options = options;
  }

  static async open(
    model: Config['model'],
    options: SessionOptions,
    result: 'labels' | 'logits' = 'labels',
  ): Promise<Stitcher> {
    const side = logitsSide(model);
    const low = { classes: model.head.classes, height: side, width: side };
    return new Stitcher(await openSession(stitchGraph(low, result), options), low, result, options);
  }

  /** @returns labels `[H, W]` uint8 of the original's size @throws BadData if the logits are not finite */
  async labels(image: WindowLogits): Promise<Uint8Array> {
    const { height, width } = image.job.original;
    return ((await this.#run(image)).data as Uint8Array).slice(0, height * width);
  }

  /** @returns logits `[K, H, W]` float32 of the original's size */
  async logits(image: WindowLogits): Promise<Float32Array> {
    const { height, width } = image.job.original;
    const tiles = (await this.#run(image)).data as Float32Array;
    const { classes } = this.#low;
    const out = new Float32Array(classes * height * width);
    for (let c = 0; c < classes; c++) {
      for (let y = 0; y < height; y++) {
        const row = (Math.floor(y / TILE_ROWS) * classes + c) * TILE_ROWS + (y % TILE_ROWS);
        out.set(tiles.subarray(row * width, (row + 1) * width), (c * height + y) * width);
      }
    }
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }

  async #run({ job, grid, logits }: WindowLogits) {
    if (!logits.every(Number.isFinite))
      throw new BadData(
        `${job.id}: the model's logits are not finite; are the weights damaged, or of another model?`,
      );
    const { classes, height, width } = this.#low;
    const { original, image } = job;
    const rows = stitchMatrix(height, grid.heightPx, grid.tops, image.height, original.height);
    const lowRows = grid.tops.length * height;
    const tiles = Math.ceil(original.height / TILE_ROWS);
    const tiled = new Float32Array(tiles * TILE_ROWS * lowRows);
    tiled.set(rows);
    const columns = stitchMatrix(width, grid.widthPx, grid.lefts, image.width, original.width);
    const lowColumns = grid.lefts.length * width;
    const outputs = await runSession(
      this.#session,
      {
        windows: tensor(logits, [grid.tops.length, grid.lefts.length, classes, height, width]),
        rows: tensor(tiled, [tiles, TILE_ROWS, lowRows]),
        columns: tensor(transpose(columns, original.width, lowColumns), [lowColumns, original.width]),
      },
      this.#options.device,
    );
    return outputs[this.#result]!;
  }
}

function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) out[c * rows + r] = matrix[r * columns + c]!;
  return out;
}
