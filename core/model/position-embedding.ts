import type { Grid } from './vit.ts';

/** Keys' cubic convolution coefficient that PyTorch uses, and the one that it uses with antialiasing. */
const A = -0.75;
const A_ANTIALIASED = -0.5;
/** A cubic kernel reaches so far to either side. */
const REACH = 2;

export interface GridResize {
  side: number;
  grid: Grid;
  channels: number;
  antialias: boolean;
  /** Added to the new side before the scale is computed. */
  sideOffset: number;
  /** To the checkpoint's type, where the original interpolates in it and rounds each weight, product and sum. */
  round(value: number): number;
}

/**
 * Resizes a position embedding's grid bicubically; the class token's row is kept.
 *
 * @param embedding `[1 + side², channels]`, float32
 * @returns `[1 + rows * columns, channels]`, float32; the same array for the same grid
 * @see InternVL `InternViT6B.init_weights`, dinov2 `interpolate_pos_encoding`; torch 2.2 `upsample_bicubic2d`,
 *   `_upsample_bicubic2d_aa`, align_corners=False
 */
export function resizePositionEmbedding(embedding: Float32Array, resize: GridResize): Float32Array {
  const { side, grid, channels, round } = resize;
  const { rows, columns } = grid;
  if (rows === side && columns === side) return embedding;
  const alongRows = cubicTaps(rows, resize);
  const alongColumns = cubicTaps(columns, resize);
  const out = new Float32Array((1 + rows * columns) * channels);
  out.set(embedding.subarray(0, channels));
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const target = (1 + y * columns + x) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (const row of alongRows[y]!) {
          let along = 0;
          for (const column of alongColumns[x]!) {
            const cell = embedding[(1 + row.index * side + column.index) * channels + c]!;
            along = round(along + round(column.weight * cell));
          }
          sum = round(sum + round(row.weight * along));
        }
        out[target + c] = sum;
      }
    }
  }
  return out;
}

interface Tap {
  index: number;
  weight: number;
}

/** The cells and weights of each target cell along an axis. */
function cubicTaps(count: number, { side, antialias, sideOffset, round }: GridResize): Tap[][] {
  const scale = side / (count + sideOffset);
  const taps = antialias ? antialiasedTaps : clampedTaps;
  return Array.from({ length: count }, (_, target) =>
    taps(target, side, scale).map(({ index, weight }) => ({ index, weight: round(weight) })),
  );
}

/** Four cells, clamped at the border. */
function clampedTaps(target: number, side: number, scale: number): Tap[] {
  const position = (target + 0.5) * scale - 0.5;
  const index = Math.floor(position);
  const t = position - index;
  return [t + 1, t, 1 - t, 2 - t].map((distance, i) => ({
    index: Math.min(Math.max(index - 1 + i, 0), side - 1),
    weight: kernel(distance, A),
  }));
}

/** As many cells as the kernel covers when it is widened by the scale; those beyond the border are left out. */
function antialiasedTaps(target: number, side: number, scale: number): Tap[] {
  const width = Math.max(scale, 1);
  const centre = (target + 0.5) * scale;
  const first = Math.max(Math.trunc(centre - REACH * width + 0.5), 0);
  const end = Math.min(Math.trunc(centre + REACH * width + 0.5), side);
  const taps = Array.from({ length: end - first }, (_, i) => ({
    index: first + i,
    weight: kernel((first + i + 0.5 - centre) / width, A_ANTIALIASED),
  }));
  const sum = taps.reduce((total, { weight }) => total + weight, 0);
  return taps.map(({ index, weight }) => ({ index, weight: weight / sum }));
}

/** Keys' cubic convolution kernel. */
function kernel(distance: number, a: number): number {
  const d = Math.abs(distance);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < REACH ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}
