import { changeHsv, HUES } from '../image/hsv.ts';
import type { RgbImage } from '../image/resize.ts';
import type { Draws } from './draws.ts';

const BRIGHTNESS = 32;
const CONTRAST = [0.5, 1.5] as const;
const SATURATION = [0.5, 1.5] as const;
const HUE = 18;

/**
 * Changes brightness, contrast, saturation and hue, each with probability 1/2; contrast comes second or last.
 *
 * @see mmseg 0.30 `PhotoMetricDistortion`: the same bytes for the same draws, which are in its order
 */
export function distort(image: RgbImage, draws: Draws): RgbImage {
  const isTaken = () => draws.integer(0, 2) === 1;
  const within = ([low, high]: readonly [number, number]) => low + (high - low) * draws.uniform();
  const contrast = (before: RgbImage) => (isTaken() ? replaced(before, linear(within(CONTRAST), 0)) : before);

  let out = image;
  if (isTaken()) out = replaced(out, linear(1, within([-BRIGHTNESS, BRIGHTNESS])));
  const isContrastSecond = isTaken();
  if (isContrastSecond) out = contrast(out);
  if (isTaken()) out = changeHsv(out, { saturation: linear(within(SATURATION), 0) });
  if (isTaken()) out = changeHsv(out, { hue: turn(draws.integer(-HUE, HUE)) });
  return isContrastSecond ? out : contrast(out);
}

function replaced({ width, height, data }: RgbImage, table: Uint8Array): RgbImage {
  return { width, height, data: data.map((byte) => table[byte]!) };
}

/** Each byte times `factor` plus `offset` in float32, cut off at 0 and 255, rounded down. */
function linear(factor: number, offset: number): Uint8Array {
  const { fround } = Math;
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const value = fround(fround(byte * fround(factor)) + fround(offset));
    return Math.min(Math.max(value, 0), 255);
  });
}

function turn(by: number): Uint8Array {
  return Uint8Array.from({ length: HUES }, (_, hue) => (hue + by + HUES) % HUES);
}
