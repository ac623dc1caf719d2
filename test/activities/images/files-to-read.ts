import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jpegsToRead } from './jpegs-to-read.ts';
import { othersToRead, pngsToRead } from './pngs-to-read.ts';

/** What the original reads of one file; null if it fails. */
export interface OriginalsReading {
  image: Values | null;
  annotation: Values | null;
}

interface Values {
  /** `[H, W, 3]` of an image, `[H, W]` of an annotation of one channel. */
  shape: number[];
  sha256: string;
}

/** Files of every kind that stand for an image or an annotation, by what they are. */
export async function filesToRead(): Promise<Record<string, Buffer>> {
  return { ...(await jpegsToRead()), ...pngsToRead(), ...(await othersToRead()) };
}

/** Reads the files by OpenCV and mmcv. @param python one that `infra/opencv/setup.sh` made */
export async function readByOpenCV(
  python: string,
  files: Record<string, Buffer>,
): Promise<Record<string, OriginalsReading>> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-pixels-'));
  try {
    const names = Object.keys(files);
    for (const [i, name] of names.entries()) writeFileSync(join(folder, String(i)), files[name]!);
    const script = join(import.meta.dirname, 'opencv.py');
    // What the libraries say of damaged files is not of interest.
    const stdio = ['ignore', 'pipe', 'ignore'] as const;
    const printed = execFileSync(python, [script, folder], { stdio: [...stdio], maxBuffer: 1 << 26 });
    const read = JSON.parse(printed.toString());
    return Object.fromEntries(names.map((name, i) => [name, read[i]]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
