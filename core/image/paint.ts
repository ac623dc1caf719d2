import type { Config, DatasetClasses } from '../config/config.ts';
import type { Labels } from './label-map.ts';
import { type RgbImage, resizeBilinear } from './resize.ts';
import type { Size } from './test-size.ts';

/**
 * The picture under the paint: the network's input with its normalisation undone, in the original's size.
 * Not the file: two resizes and a truncation have passed over it.
 *
 * @param input the network's input, `[H, W, 3]`
 * @see mmcv 1.7 `tensor2imgs`, `imdenormalize`; mmseg 0.30 `single_gpu_test`
 */
export function underlay(input: RgbImage, { mean, std }: Config['pipeline'], original: Size): RgbImage {
  const tables = [0, 1, 2].map((c) => roundTrip(mean[c]!, std[c]!));
  const data = input.data.map((value, i) => tables[i % 3]![value]!);
  return resizeBilinear({ ...input, data }, original.width, original.height);
}

/** What a byte is after it was normalised, back again, and cut off: some lose one. */
function roundTrip(mean: number, std: number): Uint8Array {
  const { fround } = Math;
  return Uint8Array.from({ length: 256 }, (_, value) => {
    const normalised = fround(fround(value - fround(mean)) * (1 / fround(std)));
    return Math.trunc(fround(fround(normalised * fround(std)) + fround(mean)));
  });
}

/**
 * Lays a label map's colours over a picture. Labels without a colour (ignored ones) leave it as it is, darker.
 *
 * @param picture `[H, W, 3]`
 * @param labels `[H, W]`
 * @param opacity of the colours, 0 to 1
 * @see mmseg 0.30 `BaseSegmentor.show_result`
 */
export function paint(
  picture: Uint8Array,
  labels: Labels,
  classes: DatasetClasses['classes'],
  opacity: number,
): Uint8Array {
  const out = new Uint8Array(picture.length);
  for (let i = 0; i < labels.length; i++) {
    const color = classes[labels[i]!]?.color;
    for (let c = i * 3; c < i * 3 + 3; c++)
      out[c] = color ? picture[c]! * (1 - opacity) + color[c - i * 3]! * opacity : picture[c]! / 3;
  }
  return out;
}
