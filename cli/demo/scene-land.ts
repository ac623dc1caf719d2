import { layeredNoise, noise, type Random } from './scene-random.ts';
import { blend, type Color, mix, onLine, type Shade, set, step } from './scene-sketch.ts';

/** What the ground and the air look like out of doors. */

export interface Air {
  zenith: Color;
  horizon: Color;
  cloud: Color;
  /** 0 clear to 1 overcast. */
  cover: number;
}

export function chooseAir(random: Random): Air {
  const zenith = random.pick<Color>([
    [58, 118, 200],
    [84, 146, 214],
    [96, 136, 186],
    [70, 104, 168],
  ]);
  const horizon = random.pick<Color>([
    [196, 218, 236],
    [214, 222, 226],
    [240, 206, 172],
  ]);
  return { zenith, horizon, cloud: [244, 244, 246], cover: random.between(0.15, 0.75) };
}

export function sky(air: Air, horizon: number, seed: number): Shade {
  const threshold = 0.72 - 0.36 * air.cover;
  return (x, y, out) => {
    const low = Math.min(1, y / horizon);
    set(out, mix(air.zenith, air.horizon, low ** 1.4));
    const puff = layeredNoise(x * 2.4, y * 5.5, seed, 4);
    // The undersides of clouds are greyer: compare with the cloud a little higher.
    const under = layeredNoise(x * 2.4, (y - 0.05) * 5.5, seed, 2) - puff;
    blend(out, air.cloud, step(threshold, threshold + 0.16, puff) * 0.92);
    const grey = Math.max(0, under) * step(threshold, threshold + 0.1, puff) * 0.9;
    blend(out, [150, 156, 170], Math.min(0.6, grey));
  };
}

export function mountain(air: Air, top: number, bottom: number, far: number, seed: number): Shade {
  const snowLine = top + (bottom - top) * 0.32;
  return (x, y, out) => {
    const relief = layeredNoise(x * 6, y * 9, seed, 4);
    const slope = relief - layeredNoise(x * 6 + 0.22, y * 9 - 0.12, seed, 3);
    set(out, mix([92, 84, 92], [122, 110, 104], relief), 0.85 + slope * 2.4);
    if (far > 0.4) blend(out, [236, 240, 248], step(0.02, -0.05, y - snowLine + (relief - 0.5) * 0.24) * 0.9);
    blend(out, air.horizon, far * (0.25 + (0.45 * (y - top)) / (bottom - top)));
  };
}

/** Water to the horizon: ripples get finer with distance, and far water mirrors the sky. */
export function water(deep: Color, air: Air, top: number, waves: number, seed: number): Shade {
  return (x, y, out) => {
    const near = y - top + 0.03;
    const ripple = noise((x * 2.2) / (near + 0.08), 9 / (near + 0.06) + x * 0.6, seed);
    const swell = noise(x * 5, 26 * Math.log(near), seed + 3);
    set(out, mix(deep, air.horizon, Math.max(0, 0.42 - near * 0.6)), 0.86 + 0.28 * swell);
    blend(out, mix(air.zenith, air.cloud, 0.45), Math.max(0, ripple - 0.55) * 0.7);
    if (waves > 0) blend(out, [242, 248, 248], step(0.8, 0.92, ripple * 0.5 + swell * 0.5) * waves);
  };
}

/** Short growth seen flat: blades near, a smooth green far away. */
export function meadow(tint: Color, horizon: number, seed: number): Shade {
  return (x, y, out) => {
    const near = Math.max(0.02, y - horizon);
    const patch = layeredNoise((x * 1.4) / (near + 0.25), 4 * Math.log(near), seed, 3);
    const blade = noise((x - 1) * 130, y * 62, seed + 7);
    set(out, tint, 0.62 + 0.42 * patch + (blade - 0.5) * 0.55 * step(0, 0.3, near));
    blend(out, [176, 178, 84], Math.max(0, patch - 0.58) * 0.9);
  };
}

/** Ploughed or ripe rows that run to the vanishing point. */
export function rows(tint: Color, furrow: Color, vanishing: { x: number; y: number }, seed: number): Shade {
  return (x, y, out) => {
    const near = Math.max(0.02, y - vanishing.y);
    const across = (x - vanishing.x) / (near + 0.05);
    const wave = 0.5 + 0.5 * Math.sin(across * 15 + noise(across * 3, y * 9, seed) * 1.6);
    const grain = noise(x * 120, y * 90, seed + 1);
    set(out, mix(furrow, tint, step(0.1, 0.7, wave)), 0.82 + 0.36 * grain);
  };
}

/** Sand, soil, gravel: clumps and grains. */
export function ground(tint: Color, grains: number, seed: number): Shade {
  return (x, y, out) => {
    const clump = layeredNoise(x * 5, y * 11, seed, 3);
    const grain = noise(x * 150, y * 150, seed + 5);
    set(out, tint, 0.74 + 0.4 * clump + (grain - 0.5) * grains);
  };
}

export function stone(tint: Color, seed: number): Shade {
  return (x, y, out) => {
    const relief = layeredNoise(x * 13, y * 15, seed, 4);
    const slope = relief - layeredNoise(x * 13 + 0.5, y * 15 + 0.5, seed, 3);
    const crack = step(0.035, 0.0, Math.abs(noise(x * 16, y * 12, seed + 4) - 0.5));
    set(out, tint, (0.86 + slope * 1.9 + 0.25 * (relief - 0.5)) * (1 - 0.35 * crack));
  };
}

/** Leaves in clumps, lit from above on the left. */
export function foliage(tint: Color, top: number, height: number, fine: number, seed: number): Shade {
  return (x, y, out) => {
    const clump = layeredNoise(x * fine, y * fine, seed, 3);
    const lit = clump - noise(x * fine + 0.35, y * fine + 0.45, seed);
    const leaf = noise(x * fine * 6, y * fine * 6, seed + 9);
    const down = (y - top) / height;
    set(out, tint, 0.98 - 0.42 * down + lit * 1.1 + (leaf - 0.5) * 0.55);
    blend(out, [24, 34, 22], step(0.46, 0.3, clump) * 0.75);
  };
}

export function bark(seed: number): Shade {
  return (x, y, out) => set(out, [92, 70, 52], 0.65 + 0.7 * noise(x * 90, y * 14, seed));
}

/** Asphalt with a dashed middle line and edge lines that run to the vanishing point. */
export function road(vanishing: { x: number; y: number }, halfWidth: number, seed: number): Shade {
  return (x, y, out) => {
    const near = Math.max(0.01, y - vanishing.y);
    const across = (x - vanishing.x) / near;
    const grain = noise(x * 140, y * 140, seed);
    const patch = layeredNoise(across * 2, 3 * Math.log(near), seed + 2, 2);
    set(out, [74, 75, 80], 0.82 + 0.22 * patch + (grain - 0.5) * 0.24);
    const dash = onLine(0.55 / near, 1, 0.5) && Math.abs(across) < halfWidth * 0.03;
    const edge = Math.abs(Math.abs(across) - halfWidth * 0.88) < halfWidth * 0.025;
    if (dash || edge) blend(out, [226, 224, 208], 0.85);
  };
}

export function paving(vanishing: { x: number; y: number }, tint: Color, seed: number): Shade {
  return (x, y, out) => {
    const near = Math.max(0.01, y - vanishing.y);
    const across = (x - vanishing.x) / near;
    const slab = noise(Math.floor(across * 3) + 0.5, Math.floor(1.6 / near) + 0.5, seed);
    set(out, tint, 0.9 + 0.16 * slab + (noise(x * 150, y * 150, seed + 1) - 0.5) * 0.16);
    if (onLine(across, 1 / 3, 0.03) || onLine(1.6 / near, 1, 0.09)) blend(out, [92, 86, 80], 0.55);
  };
}
