/**
 * Turns CMYK into RGB by OpenCV's arithmetic, which knows no colour profiles.
 *
 * @param cmyk `[N, 4]` as sharp gives it: 255 is full ink. A JPEG stores, and OpenCV reads, what is left without it
 * @returns `[N, 3]`
 * @see OpenCV 4.9 `icvCvt_CMYK2BGR_8u_C4C3R`
 */
export function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4, to += 3) {
    const light = 255 - cmyk[from + 3]!;
    for (let c = 0; c < 3; c++) rgb[to + c] = light - ((cmyk[from + c]! * light) >> 8);
  }
  return rgb;
}
