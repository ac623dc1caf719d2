/** Keys' cubic convolution coefficient that PyTorch uses. */
const A = -0.75;

export interface GridResize {
  side: number;
  newSide: number;
  channels: number;
  /** To the checkpoint's type: the original interpolates in it, and rounds each weight, product and sum. */
  round(value: number): number;
}

/**
 * Resizes a position embedding's grid bicubically; the class token's row is kept.
 *
 * @param embedding `[1 + side², channels]`, float32
 * @returns `[1 + newSide², channels]`, float32
 * @see InternVL `InternViT6B.init_weights` and torch 2.2 `upsample_bicubic2d`, align_corners=False
 */
export function resizePositionEmbedding(
  embedding: Float32Array,
  { side, newSide, channels, round }: GridResize,
): Float32Array {
  if (side === newSide) return embedding;
  const taps = Array.from({ length: newSide }, (_, i) => cubicTaps(i, side, newSide, round));
  const out = new Float32Array((1 + newSide * newSide) * channels);
  out.set(embedding.subarray(0, channels));
  for (let y = 0; y < newSide; y++) {
    for (let x = 0; x < newSide; x++) {
      const target = (1 + y * newSide + x) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (const row of taps[y]!) {
          let along = 0;
          for (const column of taps[x]!) {
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

/** The four cells (clamped at the border) and weights of one target cell. */
function cubicTaps(
  target: number,
  source: number,
  size: number,
  round: (value: number) => number,
): { index: number; weight: number }[] {
  const position = (target + 0.5) * (source / size) - 0.5;
  const index = Math.floor(position);
  const t = position - index;
  return [far(t + 1), close(t), close(1 - t), far(2 - t)].map((weight, i) => ({
    index: Math.min(Math.max(index - 1 + i, 0), source - 1),
    weight: round(weight),
  }));
}

/** Keys' kernel up to distance 1, and from 1 to 2. */
const close = (d: number): number => ((A + 2) * d - (A + 3)) * d * d + 1;
const far = (d: number): number => ((A * d - 5 * A) * d + 8 * A) * d - 4 * A;
