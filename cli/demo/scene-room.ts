import { boards, plain, plaster, rug } from './scene-built.ts';
import { LABEL } from './scene-classes.ts';
import type { Random } from './scene-random.ts';
import { type Box, type Color, castShadow, paint, type Sketch } from './scene-sketch.ts';

export interface Room {
  /** The back wall. */
  back: Box;
  vanishing: { x: number; y: number };
}

/** Walls, ceiling and floor of a room seen from its front. */
export function drawRoom(sketch: Sketch, random: Random): Room {
  const { width, height } = sketch;
  const seed = random.whole(1, 9_999);
  const back: Box = {
    left: width * random.between(0.06, 0.16),
    right: width * random.between(0.84, 0.94),
    top: height * random.between(0.1, 0.17),
    bottom: height * random.between(0.58, 0.68),
  };
  const vanishing = { x: width * random.between(0.42, 0.58), y: height * random.between(0.36, 0.44) };
  const tint = random.pick<Color>([
    [214, 200, 174],
    [198, 206, 196],
    [204, 190, 196],
    [222, 208, 158],
    [182, 196, 208],
  ]);
  const stripes = random.chance(0.3) ? 0.07 : 0;
  const whole: Box = { left: 0, right: width, top: 0, bottom: height };
  const shade = plaster(tint, width * random.between(0.2, 0.8), stripes, seed);
  paint(sketch, whole, {
    label: LABEL.wall,
    shade: plaster([tint[0] * 0.86, tint[1] * 0.86, tint[2] * 0.86], 0, 0, seed),
  });
  const ceiling = plaster([236, 234, 228], vanishing.x, 0, seed + 1);
  const above: Box = { left: 0, right: width, top: 0, bottom: back.top };
  const sideX = (edge: number, y: number, cornerY: number) =>
    vanishing.x + ((edge - vanishing.x) * (y - vanishing.y)) / (cornerY - vanishing.y);
  paint(sketch, above, { label: LABEL.ceiling, shade: ceiling }, (x, y) => {
    return x > sideX(back.left, y, back.top) && x < sideX(back.right, y, back.top);
  });
  const floorTint = random.pick<Color>([
    [150, 98, 60],
    [122, 76, 50],
    [172, 120, 78],
  ]);
  const below: Box = { left: 0, right: width, top: back.bottom, bottom: height };
  paint(sketch, below, { label: LABEL.floor, shade: boards(floorTint, vanishing, seed + 2) }, (x, y) => {
    return x > sideX(back.left, y, back.bottom) && x < sideX(back.right, y, back.bottom);
  });
  paint(sketch, back, { label: LABEL.wall, shade });
  castShadow(sketch, { x: width / 2, y: back.bottom, rx: width * 0.6, ry: 0.07 }, 0.35);
  const board: Box = { ...back, top: back.bottom - 0.022 };
  paint(sketch, board, { label: LABEL.wall, shade: plain([238, 236, 230]) });
  return { back, vanishing };
}

export function drawRug(sketch: Sketch, random: Random, room: Room): void {
  const { back, vanishing } = room;
  const depth = sketch.height - back.bottom;
  const box: Box = {
    left: 0,
    right: sketch.width,
    top: back.bottom + depth * 0.3,
    bottom: back.bottom + depth * random.between(0.75, 0.95),
  };
  const half = sketch.width * random.between(0.26, 0.36);
  const [tint, second] = random.pick<[Color, Color]>([
    [
      [140, 34, 44],
      [214, 178, 120],
    ],
    [
      [46, 66, 112],
      [206, 196, 180],
    ],
    [
      [112, 60, 96],
      [222, 190, 150],
    ],
  ]);
  const near = (y: number) => (y - vanishing.y) / (sketch.height - vanishing.y);
  const surface = { label: LABEL.rug, shade: rug(tint, second, vanishing, random.whole(1, 9_999)) };
  paint(sketch, box, surface, (x, y) => Math.abs(x - vanishing.x) < half * near(y));
}
