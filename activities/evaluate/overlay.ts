import sharp from 'sharp';
import type { DatasetClasses } from '../../core/config/config.ts';
import type { LoadedImage } from './load-image.ts';

/** Three pictures beside each other shall fit a page. */
const MAX_WIDTH_PX = 420;
const GAP_PX = 6;
/** How much of the colour lies over the image. */
const OPACITY = 0.6;

/** Image, truth and prediction side by side in the dataset's palette: a WebP picture. */
export async function renderOverlay(
  { original, labels }: LoadedImage,
  prediction: Uint8Array,
  { classes }: DatasetClasses,
): Promise<Buffer> {
  const { width, height } = original;
  const scale = Math.min(1, MAX_WIDTH_PX / width);
  const w = Math.round(width * scale);
  const h = Math.round(height * scale);
  const painted = (map: Uint8Array) => paint(original.data, map, classes);
  const panels = await Promise.all(
    [original.data, painted(labels), painted(prediction)].map((data) =>
      sharp(data, { raw: { width, height, channels: 3 } })
        .resize(w, h, { fit: 'fill' })
        .png()
        .toBuffer(),
    ),
  );
  const background = { r: 0, g: 0, b: 0, alpha: 0 };
  return sharp({ create: { width: 3 * w + 2 * GAP_PX, height: h, channels: 4, background } })
    .composite(panels.map((input, i) => ({ input, left: i * (w + GAP_PX), top: 0 })))
    .webp({ quality: 82 })
    .toBuffer();
}

/** Labels that are ignored leave the image as it is, darker. */
function paint(rgb: Uint8Array, map: Uint8Array, classes: DatasetClasses['classes']): Uint8Array {
  const out = new Uint8Array(rgb.length);
  for (let i = 0; i < map.length; i++) {
    const color = classes[map[i]!]?.color;
    for (let c = 0; c < 3; c++) {
      const value = rgb[i * 3 + c]!;
      out[i * 3 + c] = color ? color[c]! * OPACITY + value * (1 - OPACITY) : value / 3;
    }
  }
  return out;
}
