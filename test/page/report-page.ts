import sharp from 'sharp';
import { createPublish } from '../../activities/publish/publish-results.ts';
import { errorMap, OVERLAY_GAP_PX } from '../../core/image/error-map.ts';
import { memoryStore } from '../activities/publish/memory-store.ts';
import { ade20k, FINISHED_MS, publishInput } from '../activities/publish/publish-input.ts';

/** Class numbers of ADE20K in a made-up coast: sky, sea, sand, tree, building. */
const [SKY, SEA, SAND, TREE, BUILDING] = [2, 26, 46, 4, 1] as const;

const [WIDTH, HEIGHT] = [360, 240];

/** A published report with as many overlays as asked, as HTML. */
export async function publishedReport(overlays: number, changes: Parameters<typeof publishInput>[0] = {}) {
  const ids = Array.from({ length: overlays }, (_, i) => `ADE_val_${String(i + 1).padStart(8, '0')}`);
  const input = publishInput({ overlays: ids, ...changes });
  const pictures = await Promise.all(
    ids.map(async (id, i) => [`${input.outputPrefix}/overlays/${id}.webp`, await triptych(i)] as const),
  );
  const errors = await Promise.all(
    ids.map(async (id, i) => [`${input.outputPrefix}/overlays/${id}.errors.png`, await errorsOf(i)] as const),
  );
  const { store, text } = memoryStore(Object.fromEntries([...pictures, ...errors]));
  const { reportUri } = await createPublish(store, () => FINISHED_MS).publishResults(input);
  return text(reportUri);
}

/** Image, truth and prediction of a synthetic coast beside each other, as WebP. */
async function triptych(seed: number): Promise<Buffer> {
  const [wide, offset] = [3 * WIDTH + 2 * OVERLAY_GAP_PX, WIDTH + OVERLAY_GAP_PX];
  const pixels = new Uint8Array(wide * HEIGHT * 3);
  const { truth, guess } = coasts(seed);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const i = y * WIDTH + x;
      const colors = [truth[i]!, truth[i]!, guess[i]!].map((index) => ade20k.classes[index]!.color);
      const light = 0.55 + 0.35 * (1 - y / HEIGHT) + 0.05 * Math.sin(x * 0.7 + y * 1.3);
      colors.forEach((color, part) => {
        const at = (y * wide + part * offset + x) * 3;
        // The "photograph": the palette, greyed and shaded.
        color.forEach((v, c) => {
          pixels[at + c] = part === 0 ? (0.35 * v + [95, 105, 115][c]!) * light : v;
        });
      });
    }
  }
  return sharp(pixels, { raw: { width: wide, height: HEIGHT, channels: 3 } })
    .webp({ quality: 80 })
    .toBuffer();
}

/** Where truth and prediction of that coast differ, as PNG. */
async function errorsOf(seed: number): Promise<Buffer> {
  const { truth, guess } = coasts(seed);
  const size = { width: WIDTH, height: HEIGHT };
  return sharp(errorMap(truth, guess, size, size), { raw: { ...size, channels: 4 } })
    .png()
    .toBuffer();
}

function coasts(seed: number): { truth: Uint8Array; guess: Uint8Array } {
  const at = (i: number) => [(i % WIDTH) / WIDTH, Math.floor(i / WIDTH) / HEIGHT] as const;
  const map = (label: (x: number, y: number) => number) =>
    Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => label(...at(i)));
  return {
    truth: map((x, y) => coast(x, y, seed)),
    guess: map((x, y) =>
      coast(x + 0.02 * Math.sin((y * HEIGHT) / 9), y + 0.02 * Math.sin((x * WIDTH) / 13), seed),
    ),
  };
}

function coast(x: number, y: number, seed: number): number {
  const horizon = 0.42 + 0.05 * Math.sin(seed);
  if (Math.hypot(x - 0.2 - seed * 0.1, (y - horizon) * 1.4) < 0.16) return TREE;
  if (x > 0.68 && x < 0.86 && y > horizon - 0.22 && y < horizon + 0.12) return BUILDING;
  if (y < horizon) return SKY;
  return y < horizon + 0.18 + 0.1 * Math.sin(3 * x + seed) ? SEA : SAND;
}
