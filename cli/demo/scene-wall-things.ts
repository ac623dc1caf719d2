import { books, drapery, glow, lacquer, panels, picture, plain, windowPane } from './scene-built.ts';
import { LABEL } from './scene-classes.ts';
import type { Random } from './scene-random.ts';
import type { Room } from './scene-room.ts';
import { type Box, type Color, castShadow, paint, type Sketch, trapezoid } from './scene-sketch.ts';

/** Draws a thing at the back wall; `at` goes from 0 on the left to 1. */
export type WallThing = (sketch: Sketch, random: Random, room: Room, at: number) => void;

const WOODS: readonly [Color, ...Color[]] = [
  [176, 122, 70],
  [150, 98, 56],
  [192, 146, 92],
];

/** A box on the back wall: centre at `at` (0 left to 1 right), its bottom `up` above the floor. */
function onWall({ back }: Room, at: number, up: number, width: number, height: number): Box {
  const x = back.left + (back.right - back.left) * at;
  const bottom = back.bottom - up;
  return { left: x - width / 2, right: x + width / 2, top: bottom - height, bottom };
}

export function drawWindow(sketch: Sketch, random: Random, room: Room, at: number): void {
  const wall = room.back.bottom - room.back.top;
  const box = onWall(room, at, wall * 0.34, random.between(0.26, 0.36), wall * 0.52);
  const seed = random.whole(1, 9_999);
  paint(sketch, box, { label: LABEL.windowpane, shade: windowPane(box, [164, 198, 226], seed) });
  const tint = random.pick<Color>([
    [164, 62, 66],
    [198, 132, 52],
    [92, 84, 142],
    [64, 118, 112],
  ]);
  const shade = drapery(tint, random.between(0.035, 0.055), seed);
  const reach = random.chance(0.7) ? room.back.bottom - 0.03 : box.bottom + 0.04;
  for (const [left, right] of [
    [box.left - 0.1, box.left + 0.035],
    [box.right - 0.035, box.right + 0.1],
  ] as const) {
    const curtain: Box = { left, right, top: box.top - 0.035, bottom: reach };
    paint(sketch, curtain, { label: LABEL.curtain, shade });
  }
}

export function drawPainting(sketch: Sketch, random: Random, room: Room, at: number): void {
  const wall = room.back.bottom - room.back.top;
  const box = onWall(room, at, wall * random.between(0.5, 0.58), random.between(0.17, 0.28), wall * 0.3);
  const palettes: readonly [readonly [Color, Color, Color], ...(readonly [Color, Color, Color])[]] = [
    [
      [40, 70, 120],
      [214, 150, 60],
      [226, 214, 180],
    ],
    [
      [120, 40, 50],
      [60, 100, 76],
      [220, 190, 110],
    ],
    [
      [26, 40, 52],
      [180, 76, 50],
      [120, 160, 170],
    ],
  ];
  castShadow(sketch, { x: (box.left + box.right) / 2 + 0.01, y: box.bottom, rx: 0.15, ry: 0.025 }, 0.4);
  paint(sketch, box, {
    label: LABEL.painting,
    shade: picture(box, random.pick(palettes), random.whole(1, 9_999)),
  });
}

export function drawDoor(sketch: Sketch, random: Random, room: Room, at: number): void {
  const wall = room.back.bottom - room.back.top;
  const box = onWall(room, at, 0, random.between(0.18, 0.22), wall * 0.8);
  const tint = random.pick<Color>([
    [112, 130, 150],
    [206, 212, 216],
    [96, 112, 98],
  ]);
  paint(sketch, box, { label: LABEL.door, shade: panels(tint, box, 1, 2, random.whole(1, 9_999)) });
}

export function drawCabinet(sketch: Sketch, random: Random, room: Room, at: number): void {
  const box = onWall(room, at, -0.05, random.between(0.26, 0.42), random.between(0.24, 0.42));
  castShadow(sketch, { x: (box.left + box.right) / 2, y: box.bottom, rx: 0.28, ry: 0.05 }, 0.6);
  const shade = panels(
    random.pick(WOODS),
    box,
    random.whole(2, 3),
    random.whole(1, 3),
    random.whole(1, 9_999),
  );
  paint(sketch, box, { label: LABEL.cabinet, shade });
  paint(sketch, { ...box, bottom: box.top + 0.02 }, { label: LABEL.cabinet, shade: plain([206, 168, 120]) });
  if (random.chance(0.5)) drawLamp(sketch, (box.left + box.right) / 2, box.top, 0.16);
}

export function drawBookcase(sketch: Sketch, random: Random, room: Room, at: number): void {
  const wall = room.back.bottom - room.back.top;
  const box = onWall(room, at, -0.03, random.between(0.24, 0.34), wall * random.between(0.6, 0.85));
  paint(sketch, box, {
    label: LABEL.bookcase,
    shade: books(box, random.whole(3, 5), random.whole(1, 9_999)),
  });
}

export function drawTelevision(sketch: Sketch, _random: Random, room: Room, at: number): void {
  const box = onWall(room, at, 0.26, 0.3, 0.17);
  paint(sketch, box, { label: LABEL['television receiver'], shade: lacquer([20, 24, 32], box.top, 0.17) });
}

export function drawLamp(sketch: Sketch, x: number, y: number, height: number): void {
  const label = LABEL.lamp;
  const stem: Box = { left: x - height * 0.05, right: x + height * 0.05, top: y - height * 0.6, bottom: y };
  paint(sketch, stem, { label, shade: plain([150, 116, 60]) });
  const shadeBox: Box = {
    left: x - height * 0.4,
    right: x + height * 0.4,
    top: y - height,
    bottom: y - height * 0.45,
  };
  const form = trapezoid(shadeBox, [x - height * 0.22, x + height * 0.22], [shadeBox.left, shadeBox.right]);
  paint(sketch, shadeBox, { label, shade: glow([246, 200, 112], x, height * 0.4) }, form);
}

/** The light that hangs from the ceiling. */
export function drawHangingLamp(sketch: Sketch, random: Random, room: Room): void {
  const x = sketch.width * random.between(0.35, 0.65);
  const bottom = room.back.top + random.between(0.1, 0.16);
  paint(
    sketch,
    { left: x - 0.005, right: x + 0.005, top: 0, bottom },
    { label: LABEL.lamp, shade: plain([70, 60, 54]) },
  );
  const box: Box = { left: x - 0.1, right: x + 0.1, top: bottom - 0.07, bottom };
  paint(
    sketch,
    box,
    { label: LABEL.lamp, shade: glow([246, 204, 124], x, 0.1) },
    trapezoid(box, [x - 0.05, x + 0.05], [box.left, box.right]),
  );
}
