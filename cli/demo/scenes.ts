import { drawBedroom, drawDiningRoom, drawLivingRoom } from './scene-indoor.ts';
import { drawCoast, drawCountry, drawLake, drawStreet } from './scene-outdoor.ts';
import { createRandom, type Random } from './scene-random.ts';
import { createSketch, type Sketch } from './scene-sketch.ts';

/** An image and its annotation. */
export interface Scene {
  /** [H, W, 3] */
  rgb: Uint8Array;
  /** [H, W]: 0 unlabelled, else ADE20K class + 1. */
  labels: Uint8Array;
}

const KINDS = [drawStreet, drawBedroom, drawCountry, drawLivingRoom, drawCoast, drawDiningRoom, drawLake];

/** Part of the boundary pixels that annotators leave out. */
const OPEN_BOUNDARY = 0.7;

/**
 * Draws one scene with its annotation: the same for the same arguments.
 * Consecutive seeds take turns among streets, rooms, landscapes, coasts and lakes.
 */
export function makeScene(seed: number, widthPx: number, heightPx: number): Scene {
  const random = createRandom(Math.imul(seed + 1, 0x9e3779b1));
  const sketch = createSketch(widthPx, heightPx);
  KINDS[seed % KINDS.length]!(sketch, random);
  return { rgb: takePhoto(sketch, random), labels: annotate(sketch, random) };
}

/** Labels as an annotator gives them, who leaves gaps where segments meet. */
function annotate(sketch: Sketch, random: Random): Uint8Array {
  const { widthPx, map, surfaces } = sketch;
  const labelOf = (pixel: number) => surfaces[map[pixel]!]!.label;
  return Uint8Array.from(map, (_, pixel) => {
    const own = labelOf(pixel);
    const column = pixel % widthPx;
    const isBoundary =
      (column > 0 && labelOf(pixel - 1) !== own) ||
      (column < widthPx - 1 && labelOf(pixel + 1) !== own) ||
      (pixel >= widthPx && labelOf(pixel - widthPx) !== own) ||
      (pixel < map.length - widthPx && labelOf(pixel + widthPx) !== own);
    return isBoundary && random.chance(OPEN_BOUNDARY) ? 0 : own;
  });
}

/** Colours under the scene's light, through a lens and a sensor. */
function takePhoto(sketch: Sketch, random: Random): Uint8Array {
  const colors = softenEdges(sketch, shadeAll(sketch));
  const { widthPx, heightPx, light } = sketch;
  const exposure = random.between(0.82, 1.12);
  const warmth = random.between(-0.07, 0.08);
  const gains = [exposure * (1 + warmth), exposure, exposure * (1 - warmth)] as const;
  const grain = random.between(5, 13);
  const vignette = random.between(0.12, 0.3);
  const rgb = new Uint8Array(colors.length);
  for (let row = 0, at = 0; row < heightPx; row++) {
    const v = (row + 0.5) / heightPx - 0.5;
    for (let column = 0; column < widthPx; column++, at += 3) {
      const u = (column + 0.5) / widthPx - 0.5;
      const arriving = light[row * widthPx + column]! * (1 - vignette * 2 * (u * u + v * v));
      // The sum of two draws is round enough for noise; most of it is common to the three channels.
      const noise = (random.next() + random.next() - 1) * grain;
      for (let channel = 0; channel < 3; channel++) {
        const value = colors[at + channel]! * gains[channel]! * arriving + noise + (random.next() - 0.5) * 4;
        rgb[at + channel] = Math.max(0, Math.min(255, Math.round(value)));
      }
    }
  }
  return rgb;
}

/** The surfaces' own colours, [H, W, 3]. */
function shadeAll({ widthPx, heightPx, map, surfaces }: Sketch): Float32Array {
  const perUnit = Math.min(widthPx, heightPx);
  const colors = new Float32Array(widthPx * heightPx * 3);
  const color = new Float32Array(3);
  for (let pixel = 0; pixel < map.length; pixel++) {
    const column = pixel % widthPx;
    const y = ((pixel - column) / widthPx + 0.5) / perUnit;
    surfaces[map[pixel]!]!.shade((column + 0.5) / perUnit, y, color);
    colors.set(color, pixel * 3);
  }
  return colors;
}

/** Mixes neighbours where two surfaces meet, as a lens does. */
function softenEdges({ widthPx, heightPx, map }: Sketch, colors: Float32Array): Float32Array {
  const soft = colors.slice();
  for (let row = 1; row < heightPx - 1; row++) {
    for (let column = 1; column < widthPx - 1; column++) {
      const pixel = row * widthPx + column;
      const own = map[pixel];
      const [left, right, above, below] = [pixel - 1, pixel + 1, pixel - widthPx, pixel + widthPx];
      if (map[left] === own && map[right] === own && map[above] === own && map[below] === own) continue;
      for (let channel = 0; channel < 3; channel++) {
        const at = (neighbour: number) => colors[neighbour * 3 + channel]!;
        soft[pixel * 3 + channel] = 0.5 * at(pixel) + 0.125 * (at(left) + at(right) + at(above) + at(below));
      }
    }
  }
  return soft;
}
