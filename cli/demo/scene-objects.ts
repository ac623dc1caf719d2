import { facade, lacquer, plain, tiles, wood } from './scene-built.ts';
import { LABEL } from './scene-classes.ts';
import { bark, foliage, stone } from './scene-land.ts';
import { layeredNoise, noise, type Random } from './scene-random.ts';
import {
  type Box,
  type Color,
  castShadow,
  ellipseIn,
  paint,
  type Sketch,
  trapezoid,
} from './scene-sketch.ts';

/** Things that stand on the ground at (x, y), y being their foot. */
interface Place {
  x: number;
  y: number;
  height: number;
}

export const LEAF_TINTS: readonly [Color, ...Color[]] = [
  [66, 104, 44],
  [52, 92, 52],
  [84, 112, 46],
  [112, 108, 44],
];

const PAINTS: readonly [Color, ...Color[]] = [
  [168, 30, 34],
  [36, 66, 130],
  [206, 208, 212],
  [38, 40, 46],
  [196, 150, 44],
  [66, 110, 104],
];

export function drawTree(sketch: Sketch, random: Random, { x, y, height }: Place, tint: Color): void {
  const seed = random.whole(1, 9_999);
  const spread = height * random.between(0.28, 0.4);
  castShadow(sketch, { x: x + spread * 0.3, y, rx: spread * 1.1, ry: height * 0.07 }, 0.5);
  const trunk: Box = {
    left: x - height * 0.035,
    right: x + height * 0.035,
    top: y - height * 0.5,
    bottom: y,
  };
  paint(sketch, trunk, { label: LABEL.tree, shade: bark(seed) });
  const crown: Box = { left: x - spread, right: x + spread, top: y - height, bottom: y - height * 0.24 };
  const shade = foliage(tint, crown.top, crown.bottom - crown.top, 7 / Math.sqrt(height), seed);
  const cy = (crown.top + crown.bottom) / 2;
  const ry = (crown.bottom - crown.top) / 2;
  paint(sketch, crown, { label: LABEL.tree, shade }, (px, py) => {
    const far = Math.hypot((px - x) / spread, (py - cy) / ry);
    return far < 0.62 + 0.5 * layeredNoise((px * 5) / height, (py * 5) / height, seed, 2);
  });
}

export function drawFir(sketch: Sketch, random: Random, { x, y, height }: Place): void {
  const seed = random.whole(1, 9_999);
  castShadow(sketch, { x: x + height * 0.1, y, rx: height * 0.26, ry: height * 0.05 }, 0.5);
  const box: Box = { left: x - height * 0.22, right: x + height * 0.22, top: y - height, bottom: y };
  const shade = foliage([44, 76, 56], box.top, height, 11 / Math.sqrt(height), seed);
  paint(sketch, box, { label: LABEL.tree, shade }, (px, py) => {
    const down = (py - box.top) / height;
    const tier = 0.72 + 0.28 * (((down * 6) % 1) + 0.3 * noise(px * 60, py * 60, seed));
    return down < 0.94 ? Math.abs(px - x) < height * 0.21 * down * tier : Math.abs(px - x) < height * 0.02;
  });
}

/** Bushes and garden plants: lighter leaves than trees, no trunk. */
export function drawPlant(sketch: Sketch, random: Random, { x, y, height }: Place): void {
  const seed = random.whole(1, 9_999);
  const rx = height * random.between(0.55, 0.9);
  castShadow(sketch, { x, y, rx: rx * 1.1, ry: height * 0.18 }, 0.5);
  const box: Box = { left: x - rx, right: x + rx, top: y - height, bottom: y };
  const shade = foliage([108, 152, 62], box.top, height, 16, seed);
  paint(sketch, box, { label: LABEL.plant, shade }, (px, py) => {
    const far = Math.hypot((px - x) / rx, (py - y + height * 0.45) / (height * 0.55));
    return far < 0.66 + 0.5 * noise(px * 26, py * 26, seed);
  });
}

export function drawRock(sketch: Sketch, random: Random, { x, y, height }: Place): void {
  const seed = random.whole(1, 9_999);
  const rx = height * random.between(0.8, 1.3);
  castShadow(sketch, { x: x + rx * 0.2, y, rx: rx * 1.1, ry: height * 0.22 }, 0.5);
  const box: Box = { left: x - rx, right: x + rx, top: y - height, bottom: y };
  paint(sketch, box, { label: LABEL.rock, shade: stone([128, 122, 118], seed) }, (px, py) => {
    const up = (y - py) / height;
    return Math.abs(px - x) / rx < Math.sqrt(1 - up) * (0.7 + 0.4 * noise(px * 12, py * 12, seed));
  });
}

export function drawBuilding(sketch: Sketch, random: Random, box: Box): void {
  const tint = random.pick<Color>([
    [168, 110, 88],
    [186, 168, 144],
    [150, 146, 144],
    [198, 178, 128],
    [122, 104, 100],
  ]);
  const floorHeight = random.between(0.075, 0.11);
  const grid = { columnWidth: floorHeight * random.between(0.7, 1.1), floorHeight };
  paint(sketch, box, { label: LABEL.building, shade: facade(tint, box, grid, random.whole(1, 9_999)) });
  const cornice: Box = {
    left: box.left - 0.01,
    right: box.right + 0.01,
    top: box.top - 0.018,
    bottom: box.top + 0.006,
  };
  paint(sketch, cornice, {
    label: LABEL.building,
    shade: plain([tint[0] * 0.6, tint[1] * 0.6, tint[2] * 0.6]),
  });
}

export function drawHouse(sketch: Sketch, random: Random, { x, y, height }: Place): void {
  const seed = random.whole(1, 9_999);
  const half = height * random.between(0.55, 0.8);
  const eaves = y - height * 0.55;
  castShadow(sketch, { x: x + half * 0.3, y, rx: half * 1.3, ry: height * 0.1 }, 0.45);
  const walls: Box = { left: x - half, right: x + half, top: eaves, bottom: y };
  const tint = random.pick<Color>([
    [236, 228, 208],
    [226, 196, 150],
    [206, 214, 220],
  ]);
  const grid = { columnWidth: half / 2, floorHeight: height * 0.55 };
  paint(sketch, walls, { label: LABEL.house, shade: facade(tint, walls, grid, seed) });
  const roof: Box = { left: x - half * 1.15, right: x + half * 1.15, top: y - height, bottom: eaves };
  const red = random.pick<Color>([
    [166, 72, 52],
    [140, 58, 50],
    [120, 74, 62],
  ]);
  const slope = trapezoid(roof, [x - half * 0.55, x + half * 0.55], [roof.left, roof.right]);
  paint(sketch, roof, { label: LABEL.house, shade: tiles(red, seed) }, slope);
  const door: Box = { left: x - height * 0.06, right: x + height * 0.06, top: y - height * 0.32, bottom: y };
  paint(sketch, door, { label: LABEL.house, shade: wood([96, 62, 40], seed) });
}

/** A car from the side. `height` is that of its roof. */
export function drawCar(sketch: Sketch, random: Random, { x, y, height }: Place): void {
  const half = height * 1.35;
  const label = LABEL.car;
  const paintColor = random.pick(PAINTS);
  castShadow(sketch, { x, y: y - height * 0.02, rx: half * 1.15, ry: height * 0.22 }, 0.75);
  const cabin: Box = {
    left: x - half * 0.62,
    right: x + half * 0.6,
    top: y - height,
    bottom: y - height * 0.5,
  };
  const body: Box = { left: x - half, right: x + half, top: y - height * 0.58, bottom: y - height * 0.14 };
  const top: [number, number] = [x - half * 0.4, x + half * 0.32];
  const shade = lacquer(paintColor, cabin.top, height);
  paint(sketch, cabin, { label, shade }, trapezoid(cabin, top, [cabin.left, cabin.right]));
  const glass: Box = { ...cabin, top: y - height * 0.92, bottom: y - height * 0.58 };
  const inner = trapezoid(
    glass,
    [top[0] + half * 0.04, top[1] - half * 0.04],
    [cabin.left + half * 0.14, cabin.right - half * 0.14],
  );
  const pillar = height * 0.04;
  paint(sketch, glass, { label, shade: lacquer([44, 54, 66], glass.top, height * 0.4) }, (px, py) => {
    return inner(px, py) && Math.abs(px - x) > pillar;
  });
  const rounded = height * 0.16;
  paint(sketch, body, { label, shade }, (px, py) => {
    const corner = Math.max(0, rounded - Math.min(px - body.left, body.right - px));
    return corner < rounded && py > body.top + corner * 0.7;
  });
  const lights: Box = {
    left: body.left,
    right: body.right,
    top: y - height * 0.48,
    bottom: y - height * 0.38,
  };
  const isLamp = (px: number) => Math.min(px - body.left, body.right - px) < height * 0.16;
  paint(sketch, lights, { label, shade: plain([248, 232, 190]) }, isLamp);
  for (const side of [-0.58, 0.58]) {
    const cx = x + half * side;
    const wheel = (r: number): Box => {
      const cy = y - height * 0.2;
      return { left: cx - r, right: cx + r, top: cy - r, bottom: cy + r };
    };
    paint(
      sketch,
      wheel(height * 0.21),
      { label, shade: plain([24, 24, 26]) },
      ellipseIn(wheel(height * 0.21)),
    );
    paint(
      sketch,
      wheel(height * 0.11),
      { label, shade: plain([150, 152, 158]) },
      ellipseIn(wheel(height * 0.11)),
    );
  }
}

export function drawPerson(sketch: Sketch, random: Random, { x, y, height }: Place): void {
  const label = LABEL.person;
  const coat = random.pick<Color>([
    [186, 44, 60],
    [54, 60, 120],
    [206, 120, 60],
    [96, 50, 110],
  ]);
  const skin = random.pick<Color>([
    [222, 172, 142],
    [150, 104, 76],
    [104, 70, 52],
  ]);
  castShadow(sketch, { x: x + height * 0.1, y, rx: height * 0.24, ry: height * 0.06 }, 0.6);
  const legs: Box = { left: x - height * 0.1, right: x + height * 0.1, top: y - height * 0.5, bottom: y };
  const gap = (px: number, py: number) => Math.abs(px - x) > ((py - legs.top) / height) * 0.07 * height;
  paint(sketch, legs, { label, shade: lacquer([50, 52, 70], legs.top, height) }, gap);
  const torso: Box = {
    left: x - height * 0.15,
    right: x + height * 0.15,
    top: y - height * 0.84,
    bottom: y - height * 0.42,
  };
  const shade = lacquer(coat, torso.top, height * 0.7);
  paint(sketch, torso, { label, shade }, ellipseIn({ ...torso, bottom: torso.bottom + height * 0.1 }));
  const head: Box = {
    left: x - height * 0.07,
    right: x + height * 0.07,
    top: y - height,
    bottom: y - height * 0.82,
  };
  paint(sketch, head, { label, shade: plain(skin) }, ellipseIn(head));
  paint(
    sketch,
    { ...head, bottom: head.top + height * 0.07 },
    { label, shade: plain([48, 34, 26]) },
    ellipseIn(head),
  );
}

export function drawFence(sketch: Sketch, box: Box, seed: number): void {
  const post = (box.bottom - box.top) * 0.42;
  const shade = wood([196, 178, 150], seed);
  paint(sketch, box, { label: LABEL.fence, shade }, (x, y) => {
    const v = (y - box.top) / (box.bottom - box.top);
    const along = (x / post) % 1;
    return along < 0.5 || (v > 0.2 && v < 0.36) || (v > 0.62 && v < 0.78);
  });
}

export function drawBoat(sketch: Sketch, random: Random, { x, y, height }: Place): void {
  const label = LABEL.boat;
  const half = height * 0.5;
  castShadow(sketch, { x, y: y + height * 0.06, rx: half * 1.2, ry: height * 0.12 }, 0.5);
  const hull: Box = { left: x - half, right: x + half, top: y - height * 0.2, bottom: y };
  const shade = lacquer(random.pick(PAINTS), hull.top, height * 0.3);
  paint(
    sketch,
    hull,
    { label, shade },
    trapezoid(hull, [hull.left, hull.right], [x - half * 0.7, x + half * 0.66]),
  );
  const sail: Box = {
    left: x - half * 0.8,
    right: x + half * 0.8,
    top: y - height,
    bottom: y - height * 0.24,
  };
  const white = lacquer([246, 240, 226], sail.top, height * 1.6);
  paint(sketch, sail, { label, shade: white }, trapezoid(sail, [x, x], [sail.left, sail.right]));
}

export function drawStreetlight(sketch: Sketch, { x, y, height }: Place): void {
  const label = LABEL.streetlight;
  const pole: Box = { left: x - 0.009, right: x + 0.009, top: y - height, bottom: y };
  paint(sketch, pole, { label, shade: plain([60, 66, 66]) });
  const head: Box = { left: x - 0.012, right: x + 0.075, top: y - height - 0.014, bottom: y - height + 0.02 };
  paint(sketch, head, { label, shade: plain([92, 98, 98]) }, ellipseIn(head));
}

/** Small things that annotators leave out: bins, boxes, balls. */
export function drawUnlabelled(sketch: Sketch, random: Random, { x, y, height }: Place): void {
  const isBall = random.chance(0.4);
  const half = height * (isBall ? 0.5 : 0.36);
  const box: Box = { left: x - half, right: x + half, top: y - height, bottom: y };
  castShadow(sketch, { x, y, rx: height * 0.6, ry: height * 0.14 }, 0.5);
  const surface = { label: LABEL.other, shade: lacquer(random.pick(PAINTS), box.top, height) };
  paint(sketch, box, surface, isBall ? ellipseIn(box) : undefined);
  if (isBall) return;
  const lid: Box = {
    left: x - half * 1.12,
    right: x + half * 1.12,
    top: box.top,
    bottom: box.top + height * 0.16,
  };
  paint(sketch, lid, { label: LABEL.other, shade: plain([70, 72, 78]) });
}
