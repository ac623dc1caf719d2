import { layeredNoise, noise } from './scene-random.ts';
import { type Box, blend, type Color, mix, onLine, type Shade, set, step } from './scene-sketch.ts';

/** What made things look like: walls, wood, cloth, glass. */

/** Paint or plaster: even, a little cloudy, darker away from the light (`lightX`). */
export function plaster(tint: Color, lightX: number, stripes: number, seed: number): Shade {
  return (x, y, out) => {
    const cloudy = layeredNoise(x * 3, y * 3, seed, 2);
    const stripe = stripes > 0 && onLine(x, 0.09, 0.045) ? 1 - stripes : 1;
    set(out, tint, (1.06 - 0.13 * Math.abs(x - lightX) + 0.07 * (cloudy - 0.5)) * stripe);
  };
}

/** Boards that run to the vanishing point, each with its own tone and grain. */
export function boards(tint: Color, vanishing: { x: number; y: number }, seed: number): Shade {
  return (x, y, out) => {
    const near = Math.max(0.02, y - vanishing.y);
    const across = (x - vanishing.x) / near;
    const board = Math.floor(across * 5);
    const along = 0.9 / near + board * 0.37;
    const tone = noise(board + 0.5, Math.floor(along) + 0.5, seed);
    const grain = noise(across * 60, along * 5, seed + 1);
    set(out, tint, 0.72 + 0.3 * tone + 0.24 * (grain - 0.5) + 0.12 * near);
    if (onLine(across, 0.2, 0.012) || onLine(along, 1, 0.03)) blend(out, [46, 28, 18], 0.65);
  };
}

/** Wooden furniture with panels: doors of a cabinet, drawers of a chest. */
export function panels(tint: Color, box: Box, columns: number, lines: number, seed: number): Shade {
  const width = (box.right - box.left) / columns;
  const height = (box.bottom - box.top) / lines;
  return (x, y, out) => {
    const u = ((((x - box.left) / width) % 1) + 1) % 1;
    const v = ((((y - box.top) / height) % 1) + 1) % 1;
    const grain = layeredNoise(x * 9, y * 70, seed, 2);
    const border = Math.min(u, 1 - u, v, 1 - v);
    set(out, tint, 0.82 + 0.34 * (grain - 0.3) + 0.1 * (1 - v));
    if (border < 0.03) blend(out, [34, 22, 14], 0.7);
    else if (border > 0.14 && border < 0.18) blend(out, [38, 24, 14], 0.35);
    if (Math.abs(u - 0.87) < 0.035 && Math.abs(v - 0.5) < 0.06) blend(out, [222, 206, 160], 0.9);
  };
}

/** Plain wood. */
export function wood(tint: Color, seed: number): Shade {
  return (x, y, out) => {
    const grain = layeredNoise(x * 12, y * 85, seed, 2);
    set(out, tint, 0.74 + 0.5 * grain);
  };
}

/** Cloth with soft wrinkles and a weave. */
export function cloth(tint: Color, wrinkles: number, seed: number): Shade {
  return (x, y, out) => {
    const fold = layeredNoise(x * 7, y * 10, seed, 3) - layeredNoise(x * 7 + 0.3, y * 10 + 0.3, seed, 2);
    const weave = noise(x * 170, y * 170, seed + 2);
    set(out, tint, 0.94 + fold * wrinkles + (weave - 0.5) * 0.14);
  };
}

/** A hanging curtain: folds from top to bottom. */
export function drapery(tint: Color, fold: number, seed: number): Shade {
  return (x, y, out) => {
    const bend = noise(x * 4, y * 1.5, seed) * 1.4;
    const wave = Math.sin((x / fold) * 2 * Math.PI + bend);
    set(out, tint, 0.8 + 0.27 * wave + 0.08 * (noise(x * 150, y * 20, seed + 1) - 0.5));
  };
}

/** A rug: borders and a woven pattern, seen flat on the floor. */
export function rug(tint: Color, second: Color, vanishing: { x: number; y: number }, seed: number): Shade {
  return (x, y, out) => {
    const near = Math.max(0.02, y - vanishing.y);
    const across = (x - vanishing.x) / near;
    const along = 2.2 / near;
    const diamond = Math.abs(((((across * 3.2) % 1) + 1) % 1) - 0.5) + Math.abs((along % 1) - 0.5);
    const weave = noise(x * 160, y * 160, seed);
    set(out, diamond < 0.33 || (diamond > 0.55 && diamond < 0.68) ? second : tint, 0.84 + 0.32 * weave);
  };
}

/** A window: frame and bars around the bright outside. */
export function windowPane(box: Box, outside: Color, seed: number): Shade {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  return (x, y, out) => {
    const u = (x - box.left) / width;
    const v = (y - box.top) / height;
    const border = Math.min(u, 1 - u, (v * height) / width, ((1 - v) * height) / width);
    if (border < 0.045 || Math.abs(u - 0.5) < 0.02 || Math.abs(v - 0.45) < 0.018) {
      set(out, [232, 230, 224], 0.9 + 0.1 * v);
      return;
    }
    set(out, mix(outside, [246, 250, 252], 0.55 - 0.4 * v));
    const garden = step(0.5, 0.62, v + (layeredNoise(x * 9, y * 5, seed, 2) - 0.5) * 0.4);
    blend(out, [128, 158, 112], garden * 0.7);
  };
}

/** A picture in a frame: patches of a few colours. */
export function picture(box: Box, colors: readonly [Color, Color, Color], seed: number): Shade {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  return (x, y, out) => {
    const border = Math.min(x - box.left, box.right - x, y - box.top, box.bottom - y);
    if (border < 0.07 * Math.min(width, height)) {
      set(out, [66, 44, 26], 0.8 + 0.5 * noise(x * 60, y * 60, seed));
      return;
    }
    const form = layeredNoise((x / width) * 0.9, (y / height) * 1.8, seed, 3);
    const stroke = noise(x * 60, y * 30, seed + 1);
    set(out, form < 0.44 ? colors[0] : form < 0.56 ? colors[1] : colors[2], 0.8 + 0.4 * stroke);
  };
}

/** Rows of book spines on boards. */
export function books(box: Box, shelves: number, seed: number): Shade {
  const height = (box.bottom - box.top) / shelves;
  return (x, y, out) => {
    const row = (y - box.top) / height;
    const v = row - Math.floor(row);
    const spine = Math.floor((x - box.left) / 0.022);
    const tall = 0.25 + 0.25 * noise(spine + 0.5, Math.floor(row) * 7.3, seed);
    if (v > 0.9) return set(out, [120, 82, 50]);
    if (v < tall) return set(out, [44, 32, 26]);
    const hue = noise(spine * 3.7, Math.floor(row) * 5.1, seed + 1);
    const tone = noise(spine * 5.3, Math.floor(row) * 2.9, seed + 2);
    set(
      out,
      hue < 0.35 ? [150, 52, 42] : hue < 0.5 ? [206, 180, 120] : hue < 0.65 ? [52, 84, 120] : [70, 108, 74],
    );
    blend(out, [236, 226, 200], tone > 0.7 ? 0.4 : 0);
    if (onLine(x - box.left, 0.022, 0.004)) blend(out, [20, 16, 14], 0.7);
  };
}

/** A facade with a grid of windows. */
export function facade(
  tint: Color,
  box: Box,
  grid: { columnWidth: number; floorHeight: number },
  seed: number,
): Shade {
  return (x, y, out) => {
    const column = (x - box.left) / grid.columnWidth;
    const floor = (y - box.top) / grid.floorHeight;
    const u = column - Math.floor(column);
    const v = floor - Math.floor(floor);
    const dirt = layeredNoise(x * 6, y * 6, seed, 2);
    const brick = noise(x * 70, y * 150, seed + 1);
    set(out, tint, 0.84 + 0.2 * dirt + (brick - 0.5) * 0.26);
    if (v < 0.06) blend(out, [60, 54, 50], 0.4);
    if (u > 0.24 && u < 0.76 && v > 0.24 && v < 0.78) {
      const glass = noise(Math.floor(column) + 0.5, Math.floor(floor) + 0.5, seed + 2);
      set(out, mix([34, 42, 54], [150, 176, 200], glass * glass), 1.1 - 0.35 * v);
      if (Math.abs(u - 0.5) < 0.04) set(out, [206, 200, 190]);
    } else if (u > 0.18 && u < 0.82 && v > 0.18 && v < 0.86) blend(out, [222, 214, 202], 0.6);
  };
}

/** Rows of roof tiles. */
export function tiles(tint: Color, seed: number): Shade {
  return (x, y, out) => {
    const tone = noise(Math.floor(x * 55) + 0.5, Math.floor(y * 45) + 0.5, seed);
    set(out, tint, 0.7 + 0.4 * tone + (onLine(y, 1 / 45, 0.006) ? -0.18 : 0.06));
  };
}

/** Lacquer or enamel: a highlight that fades downwards. */
export function lacquer(tint: Color, top: number, height: number): Shade {
  return (_x, y, out) => {
    const down = (y - top) / height;
    set(out, tint, 1.05 - 0.4 * down);
    blend(out, [240, 244, 250], step(0.22, 0.02, Math.abs(down - 0.18)) * 0.35);
  };
}

/** A shade that glows. */
export function glow(tint: Color, x0: number, halfWidth: number): Shade {
  return (x, _y, out) => set(out, mix(tint, [255, 250, 226], step(1, 0, Math.abs(x - x0) / halfWidth)));
}

export function plain(tint: Color): Shade {
  return (_x, _y, out) => set(out, tint);
}
