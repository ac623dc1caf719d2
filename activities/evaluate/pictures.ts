import { encode } from 'fast-png';
import sharp from 'sharp';
import type { DatasetClasses } from '../../core/config/config.ts';
import type { ShardTask } from '../../core/config/eval.ts';
import { paint } from '../../core/image/paint.ts';
import type { RgbImage } from '../../core/image/resize.ts';
import { joinUri, type Store } from '../../core/store.ts';
import type { LoadedImage } from './load-image.ts';

/** Three pictures beside each other shall fit a page. */
const MAX_WIDTH_PX = 420;
const GAP_PX = 6;
const REPORT_OPACITY = 0.6;

/** Writes what a run wants to see of one image, under the run's prefix. */
export async function writePictures(
  store: Store,
  { run, overlays, classes }: ShardTask,
  image: LoadedImage,
  prediction: Uint8Array,
): Promise<void> {
  const { show, predictions } = run.config.run;
  const at = (folder: string, suffix: string) => joinUri(run.prefix, folder, `${image.id}${suffix}`);
  if (classes && overlays.includes(image.id))
    await store.write(at('overlays', '.webp'), await triptych(image, prediction, classes), {
      contentType: 'image/webp',
    });
  if (classes && show) {
    const painted = paint(image.underlay!.data, prediction, classes.classes, show.opacity);
    const jpeg = await toJpeg({ ...image.underlay!, data: painted });
    await store.write(at('show', '.jpg'), jpeg, { contentType: 'image/jpeg' });
  }
  if (predictions !== 'none')
    await store.write(at('predictions', '.png'), labelPng(image.original, prediction, predictions), {
      contentType: 'image/png',
    });
}

/**
 * A label map as an 8-bit grey PNG.
 *
 * @param form `submission` counts classes from 1: what mmseg's format-only writes for ADE20K's server
 * @see mmseg 0.30 `ADE20KDataset.results2img`
 */
export function labelPng(
  { width, height }: { width: number; height: number },
  labels: Uint8Array,
  form: 'labels' | 'submission',
): Uint8Array {
  const data = form === 'labels' ? labels : labels.map((label) => label + 1);
  return encode({ width, height, channels: 1, depth: 8, data });
}

/** As OpenCV writes it: quality 95, colours at half the resolution. */
function toJpeg({ width, height, data }: RgbImage): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 95, chromaSubsampling: '4:2:0' })
    .toBuffer();
}

/** Image, truth and prediction side by side in the dataset's palette: a WebP picture. */
async function triptych(
  { original, labels }: LoadedImage,
  prediction: Uint8Array,
  { classes }: DatasetClasses,
): Promise<Buffer> {
  const { width, height } = original;
  const scale = Math.min(1, MAX_WIDTH_PX / width);
  const w = Math.round(width * scale);
  const h = Math.round(height * scale);
  const painted = (map: Uint8Array) => paint(original.data, map, classes, REPORT_OPACITY);
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
