/**
 * A scene before it has colours: which surface each pixel shows.
 * Lengths are in units of the short side, so a scene looks alike at any size. y grows downwards.
 */
export interface Sketch {
  widthPx: number;
  heightPx: number;
  /** In units; the shorter of width and height is 1. */
  width: number;
  height: number;
  surfaces: Surface[];
  /** Index into `surfaces` of each pixel, [H, W]. */
  map: Uint16Array;
  /** How much light reaches each pixel, 0 to 1, [H, W]. */
  light: Float32Array;
}

export type Color = readonly [red: number, green: number, blue: number];

/** Writes the colour (0 to 255) that a surface has at a place. */
export type Shade = (x: number, y: number, out: Float32Array) => void;

export interface Surface {
  /** The annotation's value: 0 unlabelled, else class + 1. */
  label: number;
  shade: Shade;
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export type Inside = (x: number, y: number) => boolean;

export function createSketch(widthPx: number, heightPx: number): Sketch {
  const shortSidePx = Math.min(widthPx, heightPx);
  return {
    widthPx,
    heightPx,
    width: widthPx / shortSidePx,
    height: heightPx / shortSidePx,
    surfaces: [],
    map: new Uint16Array(widthPx * heightPx),
    light: new Float32Array(widthPx * heightPx).fill(1),
  };
}

/** Puts a surface over what is there, where `inside` holds (everywhere in the box if it is left out). */
export function paint(sketch: Sketch, box: Box, surface: Surface, inside?: Inside): void {
  const index = sketch.surfaces.push(surface) - 1;
  forEachPixel(sketch, box, (pixel, x, y) => {
    if (inside !== undefined && !inside(x, y)) return;
    sketch.map[pixel] = index;
    sketch.light[pixel] = 1;
  });
}

/** Darkens an ellipse with a soft border: what is painted later is not darkened. */
export function castShadow(
  sketch: Sketch,
  ellipse: { x: number; y: number; rx: number; ry: number },
  strength: number,
): void {
  const { x: cx, y: cy, rx, ry } = ellipse;
  forEachPixel(sketch, { left: cx - rx, right: cx + rx, top: cy - ry, bottom: cy + ry }, (pixel, x, y) => {
    const far = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2;
    if (far < 1) sketch.light[pixel]! *= 1 - strength * (1 - far);
  });
}

function forEachPixel(sketch: Sketch, box: Box, visit: (pixel: number, x: number, y: number) => void): void {
  const perUnit = Math.min(sketch.widthPx, sketch.heightPx);
  const fromX = Math.max(0, Math.round(box.left * perUnit));
  const toX = Math.min(sketch.widthPx, Math.round(box.right * perUnit));
  const fromY = Math.max(0, Math.round(box.top * perUnit));
  const toY = Math.min(sketch.heightPx, Math.round(box.bottom * perUnit));
  for (let row = fromY; row < toY; row++) {
    const y = (row + 0.5) / perUnit;
    for (let column = fromX; column < toX; column++) {
      visit(row * sketch.widthPx + column, (column + 0.5) / perUnit, y);
    }
  }
}

export function ellipseIn({ left, top, right, bottom }: Box): Inside {
  const cx = (left + right) / 2;
  const cy = (top + bottom) / 2;
  const rx = (right - left) / 2;
  const ry = (bottom - top) / 2;
  return (x, y) => ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1;
}

/** A quadrilateral with level top and bottom: `top` and `bottom` are its corners' x. */
export function trapezoid(box: Box, top: [number, number], bottom: [number, number]): Inside {
  return (x, y) => {
    const t = (y - box.top) / (box.bottom - box.top);
    return x > top[0] + (bottom[0] - top[0]) * t && x < top[1] + (bottom[1] - top[1]) * t;
  };
}

export function set(out: Float32Array, color: Color, factor = 1): void {
  out[0] = color[0] * factor;
  out[1] = color[1] * factor;
  out[2] = color[2] * factor;
}

/** Mixes `amount` (0 to 1) of a colour in. */
export function blend(out: Float32Array, color: Color, amount: number): void {
  out[0]! += (color[0] - out[0]!) * amount;
  out[1]! += (color[1] - out[1]!) * amount;
  out[2]! += (color[2] - out[2]!) * amount;
}

export function mix(a: Color, b: Color, t: number): Color {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
}

/** 0 below `from`, 1 above `to`, smooth between. */
export function step(from: number, to: number, value: number): number {
  const t = Math.min(1, Math.max(0, (value - from) / (to - from)));
  return t * t * (3 - 2 * t);
}

/** True near the whole multiples of `period`: joints of boards and tiles, bars of a window. */
export function onLine(value: number, period: number, width: number): boolean {
  const rest = value - Math.floor(value / period) * period;
  return rest < width;
}
