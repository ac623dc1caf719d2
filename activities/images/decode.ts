import { decode as decodePng } from 'fast-png';
import sharp from 'sharp';
import { BadData } from '../../core/config/failures.ts';
import type { LabelMap } from '../../core/image/label-map.ts';
import type { RgbImage } from '../../core/image/resize.ts';

/** Larger images are refused before they are decoded: 100 megapixels are 300 MB of bytes. */
const MAX_PIXELS = 100_000_000;

/**
 * Decodes a JPEG (or PNG) to the bytes that OpenCV's imread gives, EXIF orientation applied.
 * A truncated file is an error, not an image whose rest is grey.
 *
 * @param name for messages
 */
export async function decodeImage(bytes: Uint8Array, name: string): Promise<RgbImage> {
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: 'error' })
      .rotate()
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    // Plain bytes: a Buffer's slice() would be a view, where everybody else's is a copy.
    const bytesOnly = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { width: info.width, height: info.height, data: bytesOnly };
  } catch (error) {
    throw new BadData(`${name}: not a readable image: ${message(error)}`);
  }
}

/**
 * Decodes a PNG annotation, 8-bit grey or palette, to the values that stand in the file: of a palette the index is the
 * label, not the colour.
 */
export function decodeAnnotation(bytes: Uint8Array, name: string): LabelMap {
  try {
    const png = decodePng(bytes, { checkCrc: true });
    if (png.channels !== 1 || !(png.data instanceof Uint8Array) || png.depth === 16)
      throw new Error(
        `${png.channels} channels of ${png.depth} bits, expected one channel of at most 8 bits`,
      );
    return { width: png.width, height: png.height, data: unpack(png.data, png.width, png.height, png.depth) };
  } catch (error) {
    throw new BadData(`${name}: not a readable annotation: ${message(error)}`);
  }
}

/** Values of 1, 2 or 4 bits lie several in a byte, each row from a byte of its own. */
function unpack(packed: Uint8Array, width: number, height: number, depth: number): Uint8Array {
  if (depth === 8) return packed;
  const out = new Uint8Array(width * height);
  const rowBytes = Math.ceil((width * depth) / 8);
  const mask = (1 << depth) - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      out[y * width + x] = (packed[y * rowBytes + (bit >> 3)]! >> (8 - depth - (bit & 7))) & mask;
    }
  }
  return out;
}

function message(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
}
