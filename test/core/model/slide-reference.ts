import type { ViewLogits } from '../../../activities/evaluate/slide-segmenter.ts';

/** `[channels, height, width]`, float64. */
export interface Maps {
  channels: number;
  height: number;
  width: number;
  data: Float64Array;
}

/**
 * Slide inference as mmseg writes it, step by step at full size: each window's logits resized to the crop
 * and added up, divided by how often a pixel was covered, the whole resized to the original.
 *
 * @see mmseg 0.30 `EncoderDecoder.slide_inference`
 */
export function slideLogits(
  { size: { height, width }, grid, logits }: ViewLogits,
  original: { height: number; width: number },
  { classes, low }: { classes: number; low: number },
): Maps {
  const sums = empty(classes, height, width);
  const counts = new Float64Array(height * width);
  let window = 0;
  for (const top of grid.tops) {
    for (const left of grid.lefts) {
      const data = Float64Array.from(
        logits.subarray(window * classes * low * low, (window + 1) * classes * low * low),
      );
      const crop = resizeMaps(
        { channels: classes, height: low, width: low, data },
        grid.heightPx,
        grid.widthPx,
      );
      for (let y = 0; y < crop.height; y++) {
        for (let x = 0; x < crop.width; x++) {
          const pixel = (top + y) * width + left + x;
          counts[pixel]! += 1;
          for (let c = 0; c < classes; c++)
            sums.data[c * height * width + pixel]! += crop.data[(c * crop.height + y) * crop.width + x]!;
        }
      }
      window += 1;
    }
  }
  sums.data.forEach((sum, i) => {
    sums.data[i] = sum / counts[i % (height * width)]!;
  });
  return resizeMaps(sums, original.height, original.width);
}

/** `F.interpolate(mode='bilinear', align_corners=False)`. */
function resizeMaps({ channels, height, width, data }: Maps, newHeight: number, newWidth: number): Maps {
  const out = empty(channels, newHeight, newWidth);
  for (let y = 0; y < newHeight; y++) {
    const row = source(y, height, newHeight);
    for (let x = 0; x < newWidth; x++) {
      const column = source(x, width, newWidth);
      for (let c = 0; c < channels; c++) {
        const at = (j: number, i: number) => data[(c * height + j) * width + i]!;
        const upper = mix(at(row.low, column.low), at(row.low, column.high), column.part);
        const lower = mix(at(row.high, column.low), at(row.high, column.high), column.part);
        out.data[(c * newHeight + y) * newWidth + x] = mix(upper, lower, row.part);
      }
    }
  }
  return out;
}

function source(target: number, side: number, newSide: number) {
  const position = Math.max(0, ((target + 0.5) * side) / newSide - 0.5);
  const low = Math.min(Math.floor(position), side - 1);
  return { low, high: Math.min(low + 1, side - 1), part: position - low };
}

function mix(a: number, b: number, part: number): number {
  return a * (1 - part) + b * part;
}

function empty(channels: number, height: number, width: number): Maps {
  return { channels, height, width, data: new Float64Array(channels * height * width) };
}
