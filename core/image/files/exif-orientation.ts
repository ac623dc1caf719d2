const ORIENTATION = 0x0112;
/** ImageDescription, Make, Model: what may stand before the orientation, in the order of tags. */
const TEXTS = new Set([0x010e, 0x010f, 0x0110]);
/** Bytes of an entry of the directory; texts of up to 4 bytes lie within it. */
const ENTRY_BYTES = 12;
const INLINE_BYTES = 4;

/**
 * How an image is to be turned before it is seen: 1 (as it is) to 8, by EXIF's own numbers.
 *
 * Follows OpenCV's reader, not the standard: the entry's type is not read, and an entry that points outside of the
 * data ends the reading.
 *
 * @param tiff what follows `Exif\0\0` in a JPEG, or a PNG's eXIf chunk
 * @see OpenCV 4.9 modules/imgcodecs/src/exif.cpp
 */
export function exifOrientation(tiff: Uint8Array): number {
  try {
    return readOrientation(new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength));
  } catch (error) {
    if (error instanceof RangeError) return 1;
    throw error;
  }
}

function readOrientation(data: DataView): number {
  const isLittle = data.getUint8(0) === 0x49 && data.getUint8(1) === 0x49;
  const u16 = (at: number) => data.getUint16(at, isLittle);
  const u32 = (at: number) => data.getUint32(at, isLittle);
  if (u16(2) !== 42) return 1;
  const directory = u32(4);
  const entries = u16(directory);
  for (let i = 0; i < entries; i++) {
    const at = directory + 2 + i * ENTRY_BYTES;
    const tag = u16(at);
    if (tag === ORIENTATION) {
      const value = u16(at + 8);
      return value >= 1 && value <= 8 ? value : 1;
    }
    const textBytes = TEXTS.has(tag) ? u32(at + 4) : 0;
    if (textBytes > INLINE_BYTES && u32(at + 8) + textBytes > data.byteLength) return 1;
  }
  return 1;
}

/** Whether an orientation swaps an image's sides. */
export function swapsSides(orientation: number): boolean {
  return orientation >= 5;
}
