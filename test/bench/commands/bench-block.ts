import os from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { terminal } from '../../../cli/terminal.ts';
import { stateFolder } from '../../../workers/environment.ts';
import { BLOCK_6B, benchBlock, blockBenchText } from '../block-bench.ts';

interface Options {
  rounds: number;
  steps: number;
  threads: number;
}

export function benchBlockCommand(program: Command): void {
  program
    .command('bench-block')
    .description(
      'time training steps of one block of the 6B in PyTorch and here, in turns, on the same cores',
    )
    .option('--rounds <count>', 'of each, in turns', Number, 2)
    .option('--steps <count>', 'of a round', Number, 2)
    .option('--threads <count>', 'of torch and of ONNX Runtime', Number, os.availableParallelism())
    .action(async ({ rounds, steps, threads }: Options) => {
      const screen = terminal();
      const folder = path.join(stateFolder(), 'bench-reference');
      const say = (step: string) => screen.step(step);
      const bench = await benchBlock({ sizes: BLOCK_6B, rounds, steps, threads, folder, say });
      console.log(blockBenchText(bench));
    });
}
