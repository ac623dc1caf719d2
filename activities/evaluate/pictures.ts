import { encode } from 'fast-png';
import sharp from 'sharp';
import type { DatasetClasses } from '../../core/config/config.ts';
import type { ShardTask } from '../../core/config/eval.ts';
import { errorMap, OVERLAY_GAP_PX } from '../../core/image/error-map.ts';
import type { Labels } from '../../core/image/label-map.ts';
import { paint } from '../../core/image/paint.ts';
import type { RgbImage } from '../../core/image/resize.ts';
import type { Size } from '../../core/image/test-size.ts';
import { joinUri, type Store } from '../../core/store.ts';
import type { LoadedImage } from './load-image.ts';

/** Three pictures beside each other shall fit a page, and a WebP picture has at most 16,383 rows. */
const MAX_WIDTH_PX = 420;
const MAX_HEIGHT_PX = 1680;
const REPORT_OPACITY = 0.6;

/**
 * Writes what a run wants to see of one image, under the run's prefix.
 *
 * @returns warnings about pictures that could not be made: no run fails by them; label maps are results, and do
 */
export async function writePictures(
  store: Store,
  { run, overlays, classes, labelIds }: ShardTask,
  image: LoadedImage,
  prediction: Labels,
): Promise<string[]> {
  const { show, predictions } = run.config.run;
  const at = (folder: string, suffix: string) => joinUri(run.prefix, folder, `${image.id}${suffix}`);
  const warnings: string[] = [];
  const writePicture = async (uri: string, contentType: string, make: () => Promise<Buffer>) => {
    let picture: Buffer;
    try {
      picture = await make();
    } catch (error) {
      warnings.push(`${uri} is left out: ${error instanceof Error ? error.message : error}`);
      return;
    }
    await store.write(uri, picture, { contentType });
  };
  const { picture, underlay } = image;
  if (classes && picture && overlays.includes(image.id)) {
    const maps = { labels: image.labels, prediction };
    await writePicture(at('overlays', '.webp'), 'image/webp', () => triptych(picture, maps, classes));
    await writePicture(at('overlays', '.errors.png'), 'image/png', () => errorPicture(picture, maps));
  }
  if (classes && show && underlay)
    await writePicture(at('show', '.jpg'), 'image/jpeg', async () =>
      toJpeg({ ...underlay, data: paint(underlay.data, prediction, classes.classes, show.opacity) }),
    );
  if (predictions !== 'none')
    await store.write(at('predictions', '.png'), labelPng(image.original, prediction, labelIds), {
      contentType: 'image/png',
    });
  return warnings;
}

/**
 * A label map as a grey PNG: of 8 bits, or of 16 where a label or an id needs them.
 *
 * @param ids what it holds for each class: what the dataset's server wants; null for the class itself
 * @see mmseg 0.30 `ADE20KDataset.results2img`, `CityscapesDataset.results2img`
 */
export function labelPng(
  { width, height }: { width: number; height: number },
  labels: Labels,
  ids: number[] | null,
): Uint8Array {
  if (!ids)
    return encode({
      width,
      height,
      channels: 1,
      depth: labels.BYTES_PER_ELEMENT === 1 ? 8 : 16,
      data: labels,
    });
  const depth = Math.max(...ids) > 255 ? 16 : 8;
  const data = depth === 16 ? new Uint16Array(labels.length) : new Uint8Array(labels.length);
  for (let i = 0; i < labels.length; i++) data[i] = ids[labels[i]!]!;
  return encode({ width, height, channels: 1, depth, data });
}

/** As OpenCV writes it: quality 95, colours at half the resolution. */
function toJpeg({ width, height, data }: RgbImage): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 95, chromaSubsampling: '4:2:0' })
    .toBuffer();
}

interface Maps {
  labels: Labels;
  prediction: Labels;
}

/** Image, truth and prediction side by side in the dataset's palette: a WebP picture. */
async function triptych(
  { width, height, data: picture }: RgbImage,
  { labels, prediction }: Maps,
  { classes }: DatasetClasses,
): Promise<Buffer> {
  const { width: w, height: h } = panelSize({ width, height });
  const painted = (map: Labels) => paint(picture, map, classes, REPORT_OPACITY);
  const panels = await Promise.all(
    [picture, painted(labels), painted(prediction)].map((data) =>
      sharp(data, { raw: { width, height, channels: 3 } })
        .resize(w, h, { fit: 'fill' })
        .png()
        .toBuffer(),
    ),
  );
  const background = { r: 0, g: 0, b: 0, alpha: 0 };
  return sharp({ create: { width: 3 * w + 2 * OVERLAY_GAP_PX, height: h, channels: 4, background } })
    .composite(panels.map((input, i) => ({ input, left: i * (w + OVERLAY_GAP_PX), top: 0 })))
    .webp({ quality: 82 })
    .toBuffer();
}

/** Where both maps differ, in the size of one of those three: a PNG picture. */
function errorPicture(size: Size, { labels, prediction }: Maps): Promise<Buffer> {
  const shown = panelSize(size);
  return sharp(errorMap(labels, prediction, size, shown), { raw: { ...shown, channels: 4 } })
    .png({ palette: true, colours: 4 })
    .toBuffer();
}

function panelSize({ width, height }: Size): Size {
  const scale = Math.min(1, MAX_WIDTH_PX / width, MAX_HEIGHT_PX / height);
  // Of a panorama of 1200×1 pixels a row is left.
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}
