import { drawBed, drawChair, drawSofa, drawTable } from './scene-furniture.ts';
import { drawPlant } from './scene-objects.ts';
import type { Random } from './scene-random.ts';
import { drawRoom, drawRug, type Room } from './scene-room.ts';
import type { Sketch } from './scene-sketch.ts';
import {
  drawBookcase,
  drawCabinet,
  drawDoor,
  drawHangingLamp,
  drawLamp,
  drawPainting,
  drawTelevision,
  drawWindow,
  type WallThing,
} from './scene-wall-things.ts';

export function drawBedroom(sketch: Sketch, random: Random): void {
  const room = drawRoom(sketch, random);
  furnishWall(sketch, random, room, [drawWindow, drawPainting, drawCabinet, drawDoor]);
  if (random.chance(0.5)) drawHangingLamp(sketch, random, room);
  if (random.chance(0.6)) drawRug(sketch, random, room);
  drawBed(sketch, random, room);
  if (random.chance(0.5))
    drawPlant(sketch, random, {
      x: sketch.width * random.pick([0.08, 0.92]),
      y: sketch.height * 0.8,
      height: 0.24,
    });
}

export function drawLivingRoom(sketch: Sketch, random: Random): void {
  const room = drawRoom(sketch, random);
  furnishWall(sketch, random, room, [drawWindow, drawPainting, drawBookcase, drawTelevision, drawCabinet]);
  if (random.chance(0.4)) drawHangingLamp(sketch, random, room);
  if (random.chance(0.75)) drawRug(sketch, random, room);
  drawSofa(sketch, random, room);
  const low = sketch.height - room.back.bottom;
  if (random.chance(0.7)) {
    drawTable(
      sketch,
      random,
      sketch.width * random.between(0.3, 0.7),
      sketch.height - low * 0.12,
      0.26,
      0.17,
    );
  }
  if (random.chance(0.6))
    drawPlant(sketch, random, {
      x: sketch.width * random.pick([0.07, 0.93]),
      y: sketch.height - low * 0.4,
      height: 0.28,
    });
  if (random.chance(0.5))
    drawLamp(sketch, sketch.width * random.pick([0.14, 0.86]), room.back.bottom + low * 0.2, 0.44);
}

export function drawDiningRoom(sketch: Sketch, random: Random): void {
  const room = drawRoom(sketch, random);
  furnishWall(sketch, random, room, [drawCabinet, drawWindow, drawDoor, drawPainting]);
  drawHangingLamp(sketch, random, room);
  if (random.chance(0.4)) drawRug(sketch, random, room);
  const low = sketch.height - room.back.bottom;
  const tables = Math.max(1, Math.round(sketch.width / 1.3));
  for (let index = 0; index < tables; index++) {
    const x = (sketch.width * (index + random.between(0.4, 0.6))) / tables;
    const foot = room.back.bottom + low * random.between(0.5, 0.75);
    drawChair(sketch, random, x - 0.13, foot - low * 0.16, 0.36);
    drawChair(sketch, random, x + 0.15, foot - low * 0.16, 0.36);
    drawTable(sketch, random, x, foot, random.between(0.3, 0.38), 0.26);
    drawChair(sketch, random, x + random.pick([-0.4, 0.4]), foot + low * 0.1, 0.46);
  }
}

/** Fills the back wall from left to right, so that things rarely hide one another. */
function furnishWall(sketch: Sketch, random: Random, room: Room, things: readonly WallThing[]): void {
  const slots = Math.max(2, Math.round((room.back.right - room.back.left) / 0.46));
  const order = things
    .map((thing) => ({ thing, turn: random.next() }))
    .sort((a, b) => a.turn - b.turn)
    .map(({ thing }) => thing);
  for (let slot = 0; slot < slots; slot++) {
    order[slot % order.length]!(sketch, random, room, (slot + random.between(0.38, 0.62)) / slots);
  }
}
