import { LABEL } from './scene-classes.ts';
import {
  type Air,
  chooseAir,
  foliage,
  ground,
  meadow,
  mountain,
  paving,
  road,
  rows,
  sky,
  water,
} from './scene-land.ts';
import {
  drawBoat,
  drawBuilding,
  drawCar,
  drawFence,
  drawFir,
  drawHouse,
  drawPerson,
  drawPlant,
  drawRock,
  drawStreetlight,
  drawTree,
  drawUnlabelled,
  LEAF_TINTS,
} from './scene-objects.ts';
import { layeredNoise, type Random } from './scene-random.ts';
import { type Color, paint, type Shade, type Sketch } from './scene-sketch.ts';

type Curve = (x: number) => number;

/** Fills everything below a curve. */
function paintBelow(sketch: Sketch, top: number, curve: Curve, label: number, shade: Shade): void {
  const box = { left: 0, right: sketch.width, top, bottom: sketch.height };
  paint(sketch, box, { label, shade }, (x, y) => y > curve(x));
}

function skyline(base: number, relief: number, scale: number, seed: number): Curve {
  return (x) => base - relief * layeredNoise(x * scale, 0.5, seed, 4);
}

function paintSky(sketch: Sketch, random: Random, air: Air, horizon: number): void {
  const shade = sky(air, horizon, random.whole(1, 9_999));
  paint(sketch, { left: 0, right: sketch.width, top: 0, bottom: sketch.height }, { label: LABEL.sky, shade });
}

function paintMountains(sketch: Sketch, random: Random, air: Air, horizon: number): void {
  for (const far of [0.75, 0.3]) {
    const height = (far > 0.5 ? random.between(0.3, 0.42) : random.between(0.12, 0.24)) * sketch.height;
    const seed = random.whole(1, 9_999);
    const shade = mountain(air, horizon - height, horizon, far, seed);
    const curve = skyline(horizon + 0.05, height, far > 0.5 ? 2.2 : 3.4, seed);
    paintBelow(sketch, horizon - height, curve, LABEL.mountain, shade);
  }
}

/** A band of distant trees. */
function paintWoods(sketch: Sketch, random: Random, horizon: number): void {
  const height = random.between(0.05, 0.11);
  const seed = random.whole(1, 9_999);
  const shade = foliage(random.pick(LEAF_TINTS), horizon - height, height * 2, 16, seed);
  paintBelow(sketch, horizon - height * 1.6, skyline(horizon, height * 1.5, 12, seed), LABEL.tree, shade);
}

/** Places for `count` things between two distances, far ones first; `size` is a height at the bottom edge. */
function places(sketch: Sketch, random: Random, count: number, horizon: number, size: number) {
  const depth = sketch.height - horizon;
  return Array.from({ length: count }, () => random.between(0.12, 0.95))
    .sort((a, b) => a - b)
    .map((near) => ({
      x: random.between(0.04, 0.96) * sketch.width,
      y: horizon + depth * near,
      height: size * (0.25 + 0.75 * near) * random.between(0.8, 1.2),
    }));
}

export function drawStreet(sketch: Sketch, random: Random): void {
  const air = chooseAir(random);
  const horizon = sketch.height * random.between(0.5, 0.58);
  const depth = sketch.height - horizon;
  const vanishing = { x: sketch.width * random.between(0.4, 0.6), y: horizon - 0.05 };
  paintSky(sketch, random, air, horizon);
  for (let x = -0.05; x < sketch.width; ) {
    const width = random.between(0.2, 0.42);
    const top = horizon - random.between(0.16, 0.46) * sketch.height;
    if (random.chance(0.86))
      drawBuilding(sketch, random, { left: x, right: x + width, top, bottom: horizon + 0.03 });
    else
      drawTree(
        sketch,
        random,
        { x: x + width / 2, y: horizon + 0.03, height: 0.34 },
        random.pick(LEAF_TINTS),
      );
    x += width;
  }
  const pavingTint = random.pick<Color>([
    [178, 168, 156],
    [164, 152, 146],
  ]);
  const kerb = horizon + 0.02;
  paintBelow(sketch, kerb, () => kerb, LABEL.sidewalk, paving(vanishing, pavingTint, random.whole(1, 9_999)));
  const halfWidth = random.between(0.62, 0.95) * Math.max(1, sketch.width * 0.7);
  const seed = random.whole(1, 9_999);
  const box = { left: 0, right: sketch.width, top: horizon + depth * 0.12, bottom: sketch.height };
  const surface = { label: LABEL.road, shade: road(vanishing, halfWidth, seed) };
  paint(sketch, box, surface, (x, y) => Math.abs(x - vanishing.x) < halfWidth * (y - vanishing.y));
  if (random.chance(0.5)) {
    const side = random.pick([0.06, 0.94]) * sketch.width;
    drawTree(sketch, random, { x: side, y: horizon + depth * 0.25, height: 0.6 }, random.pick(LEAF_TINTS));
  }
  drawStreetlight(sketch, {
    x: random.pick([0.12, 0.86]) * sketch.width,
    y: horizon + depth * 0.24,
    height: random.between(0.4, 0.55),
  });
  for (const place of places(sketch, random, random.whole(2, 4), horizon + depth * 0.1, 0.3)) {
    drawCar(sketch, random, place);
  }
  for (const place of places(sketch, random, random.whole(1, 3), horizon, 0.5))
    drawPerson(sketch, random, place);
  drawUnlabelled(sketch, random, {
    x: random.between(0.02, 0.98) * sketch.width,
    y: horizon + depth * random.between(0.2, 0.6),
    height: 0.13,
  });
}

export function drawCountry(sketch: Sketch, random: Random): void {
  const air = chooseAir(random);
  const horizon = sketch.height * random.between(0.42, 0.52);
  const depth = sketch.height - horizon;
  paintSky(sketch, random, air, horizon);
  if (random.chance(0.6)) paintMountains(sketch, random, air, horizon);
  paintWoods(sketch, random, horizon + 0.02);
  const crop = random.pick<Color>([
    [206, 176, 92],
    [190, 156, 84],
    [216, 190, 100],
  ]);
  const vanishing = { x: sketch.width * random.between(0.2, 0.8), y: horizon - 0.04 };
  const field = rows(crop, [128, 96, 54], vanishing, random.whole(1, 9_999));
  paintBelow(sketch, horizon, () => horizon + 0.01, LABEL.field, field);
  const grassTop = horizon + depth * random.between(0.3, 0.5);
  const seed = random.whole(1, 9_999);
  const edge: Curve = (x) => grassTop + 0.12 * (layeredNoise(x * 2, 0.5, seed, 2) - 0.5);
  paintBelow(sketch, horizon, edge, LABEL.grass, meadow([104, 144, 60], horizon, seed));
  if (random.chance(0.7)) {
    const bend = random.between(-0.5, 0.5);
    const shade = ground([188, 164, 132], 0.3, seed + 1);
    const box = { left: 0, right: sketch.width, top: grassTop - 0.02, bottom: sketch.height };
    const center = (y: number) => vanishing.x + bend * (y - horizon) ** 2 * 2;
    paint(
      sketch,
      box,
      { label: LABEL.path, shade },
      (x, y) => Math.abs(x - center(y)) < 0.34 * (y - horizon),
    );
  }
  if (random.chance(0.75)) {
    drawHouse(sketch, random, {
      x: random.between(0.15, 0.85) * sketch.width,
      y: grassTop + random.between(0, 0.08),
      height: random.between(0.26, 0.4),
    });
  }
  if (random.chance(0.6)) {
    const top = grassTop + depth * random.between(0.08, 0.2);
    drawFence(
      sketch,
      { left: 0, right: sketch.width * random.between(0.4, 1), top, bottom: top + 0.11 },
      seed,
    );
  }
  for (const place of places(sketch, random, random.whole(1, 3), horizon, 0.75)) {
    drawTree(sketch, random, place, random.pick(LEAF_TINTS));
  }
  for (const place of places(sketch, random, random.whole(0, 2), grassTop, 0.16))
    drawPlant(sketch, random, place);
  if (random.chance(0.4)) drawPerson(sketch, random, places(sketch, random, 1, grassTop, 0.4)[0]!);
  drawUnlabelled(sketch, random, {
    x: random.between(0.02, 0.98) * sketch.width,
    y: grassTop + (sketch.height - grassTop) * random.between(0.2, 0.7),
    height: 0.12,
  });
}

export function drawCoast(sketch: Sketch, random: Random): void {
  const air = chooseAir(random);
  const horizon = sketch.height * random.between(0.36, 0.48);
  const depth = sketch.height - horizon;
  paintSky(sketch, random, air, horizon);
  if (random.chance(0.4)) paintMountains(sketch, random, air, horizon);
  const deep = random.pick<Color>([
    [28, 84, 122],
    [34, 104, 128],
    [38, 76, 108],
  ]);
  const seed = random.whole(1, 9_999);
  paintBelow(sketch, horizon, () => horizon, LABEL.sea, water(deep, air, horizon, 0.8, seed));
  const shore = horizon + depth * random.between(0.42, 0.6);
  const tilt = random.between(-0.12, 0.12);
  const edge: Curve = (x) => shore + tilt * (x - sketch.width / 2) + 0.05 * layeredNoise(x * 3, 0.5, seed, 3);
  const sand = ground(
    random.pick<Color>([
      [224, 200, 156],
      [210, 186, 146],
      [232, 214, 178],
    ]),
    0.2,
    seed + 1,
  );
  paintBelow(sketch, shore - 0.2, edge, LABEL.sand, sand);
  for (let boats = random.whole(0, 2); boats > 0; boats--) {
    const near = random.between(0.05, 0.3);
    drawBoat(sketch, random, {
      x: random.between(0.1, 0.9) * sketch.width,
      y: horizon + depth * near,
      height: 0.1 + near * 0.6,
    });
  }
  for (const place of places(sketch, random, random.whole(1, 3), shore - 0.1, 0.26))
    drawRock(sketch, random, place);
  for (const place of places(sketch, random, random.whole(1, 3), shore, 0.42))
    drawPerson(sketch, random, place);
  drawUnlabelled(sketch, random, {
    x: random.between(0.05, 0.95) * sketch.width,
    y: shore + (sketch.height - shore) * random.between(0.4, 0.9),
    height: 0.11,
  });
}

export function drawLake(sketch: Sketch, random: Random): void {
  const air = chooseAir(random);
  const horizon = sketch.height * random.between(0.4, 0.5);
  const depth = sketch.height - horizon;
  paintSky(sketch, random, air, horizon);
  paintMountains(sketch, random, air, horizon);
  paintWoods(sketch, random, horizon);
  const seed = random.whole(1, 9_999);
  const isLake = random.chance(0.5);
  const shade = water(isLake ? [52, 92, 98] : [88, 98, 72], air, horizon, 0, seed);
  paintBelow(sketch, horizon, () => horizon, isLake ? LABEL.lake : LABEL.water, shade);
  // The far shore mirrors as a dark band.
  for (let x = 0; x < sketch.width; x += 0.12) {
    const length = depth * (0.1 + 0.2 * layeredNoise(x * 3, 0.5, seed + 4, 2));
    mirrorShore(sketch, x, horizon, length);
  }
  const shore = horizon + depth * random.between(0.45, 0.65);
  const edge: Curve = (x) => shore + 0.16 * (layeredNoise(x * 2.2, 0.5, seed, 3) - 0.5);
  const isEarth = random.chance(0.5);
  const near = isEarth ? ground([136, 104, 76], 0.3, seed + 1) : meadow([98, 138, 58], horizon, seed + 1);
  paintBelow(sketch, horizon, edge, isEarth ? LABEL.earth : LABEL.grass, near);
  for (const place of places(sketch, random, random.whole(1, 3), shore - 0.06, 0.2))
    drawRock(sketch, random, place);
  for (const place of places(sketch, random, random.whole(1, 4), shore - 0.1, 0.8))
    drawFir(sketch, random, place);
  for (const place of places(sketch, random, random.whole(0, 2), shore, 0.18))
    drawPlant(sketch, random, place);
  if (random.chance(0.3)) drawPerson(sketch, random, places(sketch, random, 1, shore, 0.4)[0]!);
  drawUnlabelled(sketch, random, {
    x: random.between(0.05, 0.95) * sketch.width,
    y: shore + (sketch.height - shore) * random.between(0.4, 0.9),
    height: 0.11,
  });
}

function mirrorShore(sketch: Sketch, x: number, horizon: number, length: number): void {
  const perUnit = Math.min(sketch.widthPx, sketch.heightPx);
  const to = Math.min(sketch.widthPx, Math.round((x + 0.12) * perUnit));
  for (let column = Math.round(x * perUnit); column < to; column++) {
    for (let row = Math.round(horizon * perUnit); row < Math.round((horizon + length) * perUnit); row++) {
      const fade = 1 - (row / perUnit - horizon) / length;
      if (row < sketch.heightPx) sketch.light[row * sketch.widthPx + column]! *= 1 - 0.42 * fade;
    }
  }
}
