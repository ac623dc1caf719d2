import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { parseAs } from '../../core/config/parse.ts';
import { programArguments } from '../../infra/local/program.ts';
import { median } from './bench-report.ts';
import { REFERENCE, referenceEnvironment } from './reference-environment.ts';

const run = promisify(execFile);

/** Sizes of a head and its batch, and whether torch is asked too. */
export const TRAIN_PRESETS = {
  /** The 6B's linear probe, as wide as it is. */
  linear: { head: 'linear', embed: 3200, channels: 3200, batch: 4, crop: 504, steps: 3, besideTorch: true },
  upernet: { head: 'upernet', embed: 768, channels: 256, batch: 2, crop: 504, steps: 2, besideTorch: true },
  /** The 6B's UperNet: for its memory; a step takes minutes on two cores. */
  'upernet-6b': {
    head: 'upernet',
    embed: 3200,
    channels: 1536,
    batch: 2,
    crop: 504,
    steps: 1,
    besideTorch: false,
  },
} as const;
export type TrainPreset = keyof typeof TRAIN_PRESETS;

const SideSchema = z.looseObject({
  seconds: z.array(z.number()),
  losses: z.array(z.number()),
  parameters: z.int(),
  peak_bytes: z.int(),
});

export interface TrainBench {
  preset: TrainPreset;
  parameters: number;
  batch: number;
  /** Seconds of every step, by whose they are. */
  torch: number[];
  ours: number[];
  peakBytes: { torch: number; ours: number };
}

/** Steps of the same head in PyTorch and here, in turns, on the same cores. @throws BadInput without Python 3.11 */
export async function benchTrain(options: {
  preset: TrainPreset;
  rounds: number;
  threads: number;
  folder: string;
  say(step: string): void;
}): Promise<TrainBench> {
  const { preset, rounds, threads, folder, say } = options;
  const { besideTorch, ...sizes } = TRAIN_PRESETS[preset];
  const python = besideTorch ? await referenceEnvironment(folder, say) : null;
  const args = Object.entries({ ...sizes, threads }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const bench: TrainBench = {
    preset,
    parameters: 0,
    batch: sizes.batch,
    torch: [],
    ours: [],
    peakBytes: { torch: 0, ours: 0 },
  };
  const side = async (name: 'torch' | 'ours', program: string, before: string[]) => {
    const { stdout } = await run(program, [...before, ...args], { maxBuffer: 1 << 24 });
    const report = parseAs(
      SideSchema,
      JSON.parse(stdout.trim().split('\n').at(-1)!),
      `the output of ${name}`,
    );
    bench[name].push(...report.seconds);
    bench.peakBytes[name] = Math.max(bench.peakBytes[name], report.peak_bytes);
    bench.parameters = report.parameters;
  };
  for (let round = 1; round <= rounds; round++) {
    say(`${preset}, round ${round} / ${rounds}`);
    if (python) await side('torch', python, [path.join(REFERENCE, 'train.py')]);
    await side('ours', process.execPath, programArguments('test/bench/train-steps'));
  }
  return bench;
}

export function trainBenchText({ preset, parameters, batch, torch, ours, peakBytes }: TrainBench): string {
  const seconds = (values: number[]) =>
    `${median(values).toFixed(2)} s a step (${values.map((value) => value.toFixed(2)).join(', ')})`;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB at most`;
  return [
    `${preset}: ${(parameters / 1e6).toFixed(2)} M parameters, batch ${batch}`,
    ...(torch.length > 0 ? [`  PyTorch  ${seconds(torch)}, ${gigabytes(peakBytes.torch)}`] : []),
    `  Tessera  ${seconds(ours)}, ${gigabytes(peakBytes.ours)}`,
    ...(torch.length > 0 ? [`  ${(median(torch) / median(ours)).toFixed(2)} ×`] : []),
  ].join('\n');
}
