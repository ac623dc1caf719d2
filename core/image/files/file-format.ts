/** Enough for the longest beginning below, with blanks before it. */
const LOOKED_AT_BYTES = 64;

/** Images by what stands at an offset. */
const IMAGES: [format: string, offset: number, ...alternatives: string[]][] = [
  ['a JPEG file', 0, '\xff\xd8\xff'],
  ['a PNG file', 0, '\x89PNG\r\n\x1a\n'],
  ['a WebP file', 8, 'WEBP'],
  ['a GIF file', 0, 'GIF87a', 'GIF89a'],
  ['a BMP file', 0, 'BM'],
  ['a TIFF file', 0, 'II*\0', 'MM\0*', 'II+\0', 'MM\0+'],
  ['an AVIF file', 4, 'ftypavif', 'ftypavis'],
  ['a HEIC file', 4, 'ftyphei', 'ftyphev', 'ftypmif1', 'ftypmsf1'],
  ['a JPEG 2000 file', 0, '\0\0\0\x0cjP  ', '\xff\x4f\xff\x51'],
  ['a JPEG XL file', 0, '\xff\x0a', '\0\0\0\x0cJXL '],
  ['a PNM file', 0, 'P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7'],
  ['an OpenEXR file', 0, 'v/1\x01'],
  ['an SVG file', 0, '<svg'],
];

/** What people have under an image's name without meaning to. */
const OTHERS: typeof IMAGES = [
  ['a zip file', 0, 'PK\x03\x04'],
  ['a NumPy array', 0, '\x93NUMPY'],
  ['a Git LFS pointer instead of the file (git lfs pull fetches it)', 0, 'version https://git-lfs'],
  ['a web page', 0, '<!doctype', '<!DOCTYPE', '<html', '<HTML', '<?xml'],
];

/** What a file is by its first bytes, for messages: its name may say something else. */
export function formatOf(bytes: Uint8Array): { format: string; isImage: boolean } {
  if (bytes.length === 0) return { format: 'an empty file', isImage: false };
  const text = String.fromCharCode(...bytes.subarray(0, LOOKED_AT_BYTES));
  const formatIn = (table: typeof IMAGES) =>
    table.find(([, offset, ...beginnings]) =>
      beginnings.some((start) => text.startsWith(start, offset)),
    )?.[0];
  const image = formatIn(IMAGES);
  if (image) return { format: image, isImage: true };
  return { format: formatIn(OTHERS) ?? 'a file of an unknown format', isImage: false };
}
