/**
 * Turns CMYK into RGB by OpenCV's arithmetic, which knows no colour profiles.
 *
 * @param cmyk `[N, 4]` as a JPEG of Adobe's kind stores it: 255 is no ink
 * @returns `[N, 3]`
 * @see OpenCV 4.9 `icvCvt_CMYK2BGR_8u_C4C3R`
 */
export function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4, to += 3) {
    const black = cmyk[from + 3]!;
    for (let c = 0; c < 3; c++) rgb[to + c] = black - (((255 - cmyk[from + c]!) * black) >> 8);
  }
  return rgb;
}
