import { bilinearTaps } from '../onnx/bilinear.ts';

/**
 * One axis of "resize each window's logits to the crop, average the overlaps, resize to the image".
 * Each step is linear and acts on rows and columns apart, so along an axis they are one matrix, and an
 * image's logits are `rows · L · columnsᵀ` for each class, with L the windows' logits side by side.
 *
 * @param low side of a window's logits (36 for a crop of 504 and patches of 14)
 * @param cropPx side of a window
 * @param starts where windows begin along this axis
 * @param networkPx side of the network's input
 * @param outPx side of the original image
 * @returns `[outPx, starts.length * low]`, float32
 * @see mmseg 0.30 `slide_inference` with `F.interpolate(bilinear, align_corners=False)` twice
 */
export function stitchMatrix(
  low: number,
  cropPx: number,
  starts: number[],
  networkPx: number,
  outPx: number,
): Float32Array {
  const width = starts.length * low;
  const matrix = new Float64Array(outPx * width);
  const overlaps = new Float64Array(networkPx);
  for (const start of starts) for (let i = 0; i < cropPx; i++) overlaps[start + i]! += 1;

  for (let out = 0; out < outPx; out++) {
    for (const pixel of bilinearTaps(out, networkPx, outPx)) {
      starts.forEach((start, window) => {
        const inWindow = pixel.index - start;
        if (inWindow < 0 || inWindow >= cropPx) return;
        for (const cell of bilinearTaps(inWindow, low, cropPx)) {
          matrix[out * width + window * low + cell.index]! +=
            (pixel.weight * cell.weight) / overlaps[pixel.index]!;
        }
      });
    }
  }
  return Float32Array.from(matrix);
}
