import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { Session } from '../../cli/session.ts';
import type { VitConfig } from '../../core/config/model-kinds.ts';
import { parseAs } from '../../core/config/parse.ts';
import { decodeMatrix } from '../../core/metric/matrix-codec.ts';
import { matrixMetrics } from '../../core/metric/metrics.ts';
import { median } from './bench-report.ts';
import { benchInProcess } from './in-process.ts';
import { REFERENCE, referenceEnvironment } from './reference-environment.ts';
import { stageInputs } from './stage-inputs.ts';

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 1 << 24;

/** The line that bench.py prints. */
const ReferenceReportSchema = z.object({
  images: z.int(),
  crops: z.int(),
  images_per_s: z.number(),
  seconds: z.record(z.string(), z.number()),
  aAcc: z.number(),
  mIoU: z.number(),
  predicted_pixels: z.array(z.number()),
  torch: z.string(),
  threads: z.int(),
});

export interface ReferenceBenchOptions {
  session: Session;
  /** Holds the Python environment, the weights, and our cache. */
  folder: string;
  /** In ADE20K's layout. */
  ade: string;
  /** Of the mid-size model. */
  config: VitConfig;
  images: number;
  rounds: number;
  threads: number;
  say(step: string): void;
}

/** One side of the comparison. Lists have a figure a round. */
export interface Side {
  imagesPerSecond: number[];
  /** Seconds of backbone and head alone, over all images. */
  forward: number[];
  mIoU: number | null;
  aAcc: number | null;
  /** Labelled pixels that are predicted as each class. */
  predictedPixels: number[];
}

export interface Comparison {
  images: number;
  crops: number;
  torch: string;
  original: Side;
  ours: Side;
}

/**
 * Runs mmsegmentation's loop and ours on the same images and weight files, in turns, so that what else the machine
 * does meets both.
 *
 * @throws BadInput if the reference's Python environment cannot be made
 */
export async function benchReference(options: ReferenceBenchOptions): Promise<Comparison> {
  const { session, folder, ade, config, say, rounds } = options;
  const python = await referenceEnvironment(folder, say);
  say('random weights, as the original saves them');
  const files = await makeWeights(python, folder);
  const input = await stageInputs(session.store, `s3://${session.bucket}`, { ade, ...files }, config);

  const original: Side = emptySide();
  const ours: Side = emptySide();
  let crops = 0;
  let torch = '';
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} / ${rounds}: mmsegmentation`);
    const theirs = await runReference(python, options, files);
    original.imagesPerSecond.push(theirs.images_per_s);
    original.forward.push(theirs.seconds.backbone! + theirs.seconds.head!);
    Object.assign(original, {
      mIoU: theirs.mIoU,
      aAcc: theirs.aAcc,
      predictedPixels: theirs.predicted_pixels,
    });
    crops = theirs.crops;
    torch = theirs.torch;

    say(`round ${round} / ${rounds}: Tessera`);
    const cacheFolder = path.join(folder, 'cache');
    await rm(cacheFolder, { recursive: true, force: true });
    const { store } = session;
    const { passes } = await benchInProcess({
      store,
      input,
      config,
      cacheFolder,
      passes: 1,
      images: options.images,
      threads: options.threads,
      say() {},
      onPass({ matrix }) {
        const { mIoU, aAcc, perClass } = matrixMetrics(decodeMatrix(matrix));
        Object.assign(ours, { mIoU, aAcc, predictedPixels: perClass.map((c) => c.predictedPixels) });
      },
    });
    ours.imagesPerSecond.push(passes[0]!.imagesPerSecond);
    ours.forward.push(passes[0]!.split.graph);
  }
  return { images: options.images, crops, torch, original, ours };
}

/** The comparison for people: ratios are of medians. */
export function comparisonText({ images, crops, torch, original, ours }: Comparison): string {
  const speed = median(ours.imagesPerSecond) / median(original.imagesPerSecond);
  const forward = median(original.forward) / median(ours.forward);
  const moved =
    ours.predictedPixels.reduce((sum, n, i) => sum + Math.abs(n - original.predictedPixels[i]!), 0) / 2;
  const pixels = ours.predictedPixels.reduce((sum, n) => sum + n, 0);
  const line = (name: string, { imagesPerSecond, forward: seconds, mIoU, aAcc }: Side) =>
    `  ${name.padEnd(16)} ${median(imagesPerSecond).toFixed(3)} images/s (${list(imagesPerSecond, 3)}); ` +
    `backbone and head ${median(seconds).toFixed(1)} s (${list(seconds, 1)}); mIoU ${percent(mIoU)}, aAcc ${percent(aAcc)}`;
  return [
    `${images} images, ${crops} crops; medians of rounds; torch ${torch}`,
    line('mmsegmentation', original),
    line('Tessera', ours),
    `  end to end ${speed.toFixed(2)} ×, backbone and head ${forward.toFixed(2)} ×`,
    `  mIoU differs by ${difference(ours.mIoU, original.mIoU)}; at least ${moved} of ${pixels} pixels are predicted otherwise`,
  ].join('\n');
}

function list(values: number[], digits: number): string {
  return values.map((value) => value.toFixed(digits)).join(', ');
}

function percent(share: number | null): string {
  return share === null ? '–' : `${(100 * share).toFixed(4)} %`;
}

function difference(a: number | null, b: number | null): string {
  return a === null || b === null ? '–' : Math.abs(a - b).toExponential(1);
}

function emptySide(): Side {
  return { imagesPerSecond: [], forward: [], mIoU: null, aAcc: null, predictedPixels: [] };
}

/** What bench.py makes is for its default sizes, which are the mid preset's. */
async function makeWeights(python: string, folder: string): Promise<{ backbone: string; head: string }> {
  const files = {
    backbone: path.join(folder, 'reference-mid-backbone.pth'),
    head: path.join(folder, 'reference-mid-head.pth'),
  };
  const script = path.join(REFERENCE, 'bench.py');
  if (!existsSync(files.head))
    await run(python, [script, '--make-backbone', files.backbone, '--make-head', files.head]);
  return files;
}

async function runReference(
  python: string,
  { ade, images, threads }: ReferenceBenchOptions,
  { backbone, head }: { backbone: string; head: string },
) {
  const sizes = ['--images', String(images), '--threads', String(threads)];
  const args = ['--data', ade, '--backbone', backbone, '--head', head, ...sizes];
  const { stdout } = await run(python, [path.join(REFERENCE, 'bench.py'), ...args], {
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  const line = stdout.trim().split('\n').at(-1)!;
  return parseAs(ReferenceReportSchema, JSON.parse(line), 'the output of bench.py');
}
