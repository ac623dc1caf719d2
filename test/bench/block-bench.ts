import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { parseAs } from '../../core/config/parse.ts';
import { programArguments } from '../../infra/local/program.ts';
import { median } from './bench-report.ts';
import { REFERENCE, referenceEnvironment } from './reference-environment.ts';

const run = promisify(execFile);

/** A block of the 6B at 504 px, one crop. */
export const BLOCK_6B = { embed: 3200, heads: 25, mlp: 12_800, tokens: 1297, batch: 1 };

const PartsSchema = z.looseObject({ forward: z.number(), backward: z.number(), optimizer: z.number() });
const SideSchema = z.looseObject({
  /** Wall time and processor time of each step. */
  seconds: z.array(z.number()),
  cpu_seconds: z.array(z.number()),
  parts: z.array(PartsSchema),
  parameters: z.int(),
  peak_bytes: z.int(),
});

export interface BlockSide {
  seconds: number[];
  cpuSeconds: number[];
  parts: z.infer<typeof PartsSchema>[];
  peakBytes: number;
}

export interface BlockBench {
  parameters: number;
  torch: BlockSide;
  ours: BlockSide;
}

/**
 * Training steps of one transformer block in PyTorch and here, in turns, on the same cores: forward, recomputation and
 * backward, AdamW, float32. The first step of a process isn't counted.
 *
 * @throws BadInput without Python 3.11
 */
export async function benchBlock(options: {
  sizes: typeof BLOCK_6B;
  rounds: number;
  steps: number;
  threads: number;
  folder: string;
  say(step: string): void;
}): Promise<BlockBench> {
  const { sizes, rounds, steps, threads, folder, say } = options;
  const python = await referenceEnvironment(folder, say);
  const args = Object.entries(Object.assign({ steps: steps + 1, threads }, sizes)).flatMap(
    ([name, value]) => [`--${name}`, String(value)],
  );
  const bench: BlockBench = { parameters: 0, torch: emptySide(), ours: emptySide() };
  const side = async (name: 'torch' | 'ours', program: string, before: string[]) => {
    const { stdout } = await run(program, [...before, ...args], { maxBuffer: 1 << 24 });
    const line = JSON.parse(stdout.trim().split('\n').at(-1)!);
    const report = parseAs(SideSchema, line, `the output of ${name}`);
    bench[name].seconds.push(...report.seconds.slice(1));
    bench[name].cpuSeconds.push(...report.cpu_seconds.slice(1));
    bench[name].parts.push(...report.parts.slice(1));
    bench[name].peakBytes = Math.max(bench[name].peakBytes, report.peak_bytes);
    bench.parameters = report.parameters;
  };
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} / ${rounds}: PyTorch`);
    await side('torch', python, [path.join(REFERENCE, 'block_step.py')]);
    say(`round ${round} / ${rounds}: Tessera`);
    await side('ours', process.execPath, programArguments('test/bench/block-step'));
  }
  return bench;
}

/** Ratios are of medians of processor time, which other programs on the machine change least. */
export function blockBenchText({ parameters, torch, ours }: BlockBench): string {
  const part = (side: BlockSide, name: 'forward' | 'backward' | 'optimizer') =>
    median(side.parts.map((parts) => parts[name])).toFixed(2);
  const line = (name: string, side: BlockSide) =>
    `  ${name}  ${median(side.cpuSeconds).toFixed(2)} s of processor time a step (${list(side.cpuSeconds)}); ` +
    `wall time ${median(side.seconds).toFixed(2)} s: forward ${part(side, 'forward')}, recomputation and backward ` +
    `${part(side, 'backward')}, AdamW ${part(side, 'optimizer')}; ${(side.peakBytes / 2 ** 30).toFixed(2)} GiB at most`;
  return [
    `one block, ${(parameters / 1e6).toFixed(2)} M parameters`,
    line('PyTorch', torch),
    line('Tessera', ours),
    `  ${(median(torch.cpuSeconds) / median(ours.cpuSeconds)).toFixed(2)} ×`,
  ].join('\n');
}

function emptySide(): BlockSide {
  return { seconds: [], cpuSeconds: [], parts: [], peakBytes: 0 };
}

function list(values: number[]): string {
  return values.map((value) => value.toFixed(2)).join(', ');
}
