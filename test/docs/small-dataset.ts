import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

const WIDTH = 200;
const HEIGHT = 160;
/** Ground, water, roof, tree. */
const COLORS = [
  [120, 120, 80],
  [60, 110, 220],
  [200, 60, 60],
  [40, 150, 60],
] as const;

/** A dataset in mmseg's layout, as a user has one: `img_dir/train/0.jpg`, `ann_dir/train/0.png`, four classes. */
export async function writeSmallDataset(folder: string): Promise<void> {
  for (const [split, images] of [
    ['train', 16],
    ['val', 6],
  ] as const) {
    const [imageDir, annotationDir] = [join(folder, 'img_dir', split), join(folder, 'ann_dir', split)];
    await mkdir(imageDir, { recursive: true });
    await mkdir(annotationDir, { recursive: true });
    for (let i = 0; i < images; i++) {
      const labels = scene(split === 'train' ? i : 100 + i);
      const pixels = Buffer.from(Array.from(labels).flatMap((label) => COLORS[label]!));
      const size = { width: WIDTH, height: HEIGHT };
      await sharp(pixels, { raw: { ...size, channels: 3 } }).toFile(join(imageDir, `${i}.jpg`));
      await sharp(labels, { raw: { ...size, channels: 1 } })
        .toColourspace('b-w')
        .png()
        .toFile(join(annotationDir, `${i}.png`));
    }
  }
}

/** Ground with a river, a roof and a tree, elsewhere in each image. */
function scene(seed: number): Uint8Array {
  const labels = new Uint8Array(WIDTH * HEIGHT);
  const at = (step: number, range: number) => (seed * step) % range;
  const paint = (label: number, left: number, top: number, width: number, height: number) => {
    for (let y = top; y < Math.min(HEIGHT, top + height); y++)
      labels.fill(label, y * WIDTH + left, y * WIDTH + Math.min(WIDTH, left + width));
  };
  paint(1, 0, at(17, 100), WIDTH, 40);
  paint(2, at(29, 120), at(13, 90), 60, 50);
  paint(3, at(41, 150), at(37, 110), 40, 50);
  return labels;
}
