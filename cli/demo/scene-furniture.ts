import { cloth, drapery, wood } from './scene-built.ts';
import { LABEL } from './scene-classes.ts';
import { drawUnlabelled } from './scene-objects.ts';
import type { Random } from './scene-random.ts';
import type { Room } from './scene-room.ts';
import { type Box, type Color, castShadow, paint, type Sketch, trapezoid } from './scene-sketch.ts';

export function drawBed(sketch: Sketch, random: Random, room: Room): void {
  const label = LABEL['bed '];
  const x = room.back.left + (room.back.right - room.back.left) * random.between(0.32, 0.68);
  const half = random.between(0.3, 0.38);
  const depth = sketch.height - room.back.bottom;
  const headTop = room.back.bottom - random.between(0.2, 0.26);
  const seed = random.whole(1, 9_999);
  castShadow(sketch, { x, y: room.back.bottom + depth * 0.5, rx: half * 1.5, ry: depth * 0.5 }, 0.6);
  const board: Box = { left: x - half, right: x + half, top: headTop, bottom: room.back.bottom + 0.02 };
  paint(sketch, board, { label, shade: wood([104, 62, 40], seed) });
  const sheet: Box = {
    left: x - half * 1.4,
    right: x + half * 1.4,
    top: room.back.bottom - 0.07,
    bottom: room.back.bottom + depth * 0.58,
  };
  const form = trapezoid(sheet, [x - half * 0.97, x + half * 0.97], [x - half * 1.24, x + half * 1.24]);
  const blanket = random.pick<Color>([
    [96, 126, 182],
    [176, 112, 142],
    [112, 150, 160],
    [150, 128, 190],
  ]);
  paint(sketch, sheet, { label, shade: cloth([232, 228, 226], 0.7, seed) }, form);
  const cover: Box = { ...sheet, top: sheet.top + 0.1 };
  paint(sketch, cover, { label, shade: cloth(blanket, 1.3, seed + 1) }, form);
  const front: Box = {
    left: x - half * 1.24,
    right: x + half * 1.24,
    top: sheet.bottom,
    bottom: sheet.bottom + depth * 0.2,
  };
  const dark: Color = [blanket[0] * 0.72, blanket[1] * 0.72, blanket[2] * 0.72];
  paint(sketch, front, { label, shade: drapery(dark, 0.09, seed) });
  for (const side of [-0.48, 0.48]) {
    const pillow: Box = {
      left: x + half * (side - 0.4),
      right: x + half * (side + 0.4),
      top: sheet.top - 0.07,
      bottom: sheet.top + 0.055,
    };
    paint(
      sketch,
      pillow,
      { label: LABEL.pillow, shade: cloth([246, 242, 234], 0.8, seed + 2) },
      roundedIn(pillow, 0.05),
    );
  }
}

export function drawSofa(sketch: Sketch, random: Random, room: Room): void {
  const x = room.back.left + (room.back.right - room.back.left) * random.between(0.3, 0.7);
  const half = random.between(0.32, 0.44);
  const foot = room.back.bottom + (sketch.height - room.back.bottom) * random.between(0.18, 0.34);
  const tint = random.pick<Color>([
    [104, 62, 50],
    [62, 92, 84],
    [122, 116, 62],
    [78, 74, 84],
  ]);
  const seed = random.whole(1, 9_999);
  const label = LABEL.sofa;
  const dark: Color = [tint[0] * 0.78, tint[1] * 0.78, tint[2] * 0.78];
  castShadow(sketch, { x, y: foot, rx: half * 1.25, ry: 0.08 }, 0.7);
  const rest: Box = { left: x - half, right: x + half, top: foot - 0.34, bottom: foot - 0.1 };
  paint(sketch, rest, { label, shade: cloth(tint, 0.9, seed) }, roundedIn(rest, 0.06));
  const seat: Box = { left: x - half, right: x + half, top: foot - 0.17, bottom: foot - 0.015 };
  paint(sketch, seat, { label, shade: cloth(dark, 0.5, seed) });
  const top: Box = { left: x - half * 0.82, right: x + half * 0.82, top: foot - 0.2, bottom: foot - 0.11 };
  paint(
    sketch,
    top,
    { label, shade: cloth([tint[0] * 1.14, tint[1] * 1.14, tint[2] * 1.14], 0.8, seed + 1) },
    (px) => Math.abs(px - x) > 0.006,
  );
  for (const side of [-1, 1]) {
    const inner = x + half * side * 0.8;
    const outer = x + half * side * 1.08;
    const arm: Box = {
      left: Math.min(inner, outer),
      right: Math.max(inner, outer),
      top: foot - 0.25,
      bottom: foot,
    };
    paint(sketch, arm, { label, shade: cloth(tint, 0.9, seed + 2) }, roundedIn(arm, 0.035));
  }
  const cushionTint = random.pick<Color>([
    [226, 178, 66],
    [214, 96, 74],
    [108, 172, 190],
  ]);
  for (let count = random.whole(1, 2), side = -0.5; count > 0; count--, side = 0.5) {
    const cx = x + half * side;
    const cushion: Box = { left: cx - 0.08, right: cx + 0.08, top: foot - 0.31, bottom: foot - 0.17 };
    paint(
      sketch,
      cushion,
      { label: LABEL.cushion, shade: cloth(cushionTint, 0.9, seed + 3) },
      roundedIn(cushion, 0.04),
    );
  }
}

export function drawTable(
  sketch: Sketch,
  random: Random,
  x: number,
  foot: number,
  half: number,
  height: number,
): void {
  const tint = random.pick<Color>([
    [92, 54, 36],
    [78, 48, 38],
    [104, 66, 44],
  ]);
  const seed = random.whole(1, 9_999);
  const label = LABEL.table;
  castShadow(sketch, { x, y: foot, rx: half * 1.15, ry: 0.07 }, 0.6);
  const top: Box = { left: x - half, right: x + half, top: foot - height, bottom: foot - height * 0.66 };
  for (const side of [-0.84, 0.84]) {
    const leg: Box = {
      left: x + half * side - 0.017,
      right: x + half * side + 0.017,
      top: top.bottom,
      bottom: foot,
    };
    paint(sketch, leg, { label, shade: wood(tint, seed) });
  }
  const surface = { label, shade: wood([tint[0] * 1.25, tint[1] * 1.25, tint[2] * 1.25], seed) };
  paint(sketch, top, surface, trapezoid(top, [x - half * 0.8, x + half * 0.8], [top.left, top.right]));
  paint(sketch, { ...top, top: top.bottom, bottom: top.bottom + 0.028 }, { label, shade: wood(tint, seed) });
  if (random.chance(0.6)) {
    drawUnlabelled(sketch, random, {
      x: x + half * random.between(-0.5, 0.5),
      y: top.top + 0.04,
      height: 0.09,
    });
  }
}

export function drawChair(sketch: Sketch, random: Random, x: number, foot: number, height: number): void {
  const tint = random.pick<Color>([
    [206, 146, 76],
    [190, 124, 62],
  ]);
  const label = LABEL.chair;
  const half = height * 0.22;
  const shade = wood(tint, random.whole(1, 9_999));
  castShadow(sketch, { x, y: foot, rx: half * 1.5, ry: 0.04 }, 0.6);
  const back: Box = { left: x - half, right: x + half, top: foot - height, bottom: foot - height * 0.4 };
  paint(sketch, back, { label, shade }, (px, py) => {
    const v = (py - back.top) / (back.bottom - back.top);
    const u = Math.abs(px - x) / half;
    return u > 0.74 || v < 0.22 || (v > 0.5 && v < 0.66) || u < 0.16;
  });
  const seat: Box = {
    left: x - half * 1.15,
    right: x + half * 1.15,
    top: foot - height * 0.46,
    bottom: foot - height * 0.34,
  };
  paint(sketch, seat, { label, shade });
  const legs: Box = { ...seat, top: seat.bottom, bottom: foot };
  paint(sketch, legs, { label, shade }, (px) => Math.abs(Math.abs(px - x) - half) < half * 0.16);
}

function roundedIn(box: Box, radius: number) {
  return (x: number, y: number) => {
    const dx = Math.max(0, radius - Math.min(x - box.left, box.right - x));
    const dy = Math.max(0, radius - Math.min(y - box.top, box.bottom - y));
    return dx * dx + dy * dy < radius * radius;
  };
}
