/** The one or two source cells that make a target cell. @see torch `upsample_bilinear2d`, align_corners=False */
export function bilinearTaps(
  target: number,
  source: number,
  size: number,
): { index: number; weight: number }[] {
  const position = Math.max((target + 0.5) * (source / size) - 0.5, 0);
  const index = Math.min(Math.floor(position), source - 1);
  const fraction = position - index;
  if (fraction === 0 || index === source - 1) return [{ index, weight: 1 }];
  return [
    { index, weight: 1 - fraction },
    { index: index + 1, weight: fraction },
  ];
}

/**
 * Bilinear resizing along one axis as a matrix, and transposed if its adjoint is wanted.
 *
 * @returns `[to, from]` float32, times `scale`; transposed: `[from, to]`
 */
export function bilinearMatrix(
  from: number,
  to: number,
  { transposed = false, scale = 1 }: { transposed?: boolean; scale?: number } = {},
): Float32Array {
  const matrix = new Float32Array(to * from);
  for (let target = 0; target < to; target++)
    for (const { index, weight } of bilinearTaps(target, from, to))
      matrix[transposed ? index * to + target : target * from + index] = weight * scale;
  return matrix;
}
