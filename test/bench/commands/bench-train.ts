import os from 'node:os';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { terminal } from '../../../cli/terminal.ts';
import { stateFolder } from '../../../workers/environment.ts';
import { benchTrain, TRAIN_PRESETS, type TrainPreset, trainBenchText } from '../train-bench.ts';

interface Options {
  head: TrainPreset[];
  rounds: number;
  threads: number;
}

export function benchTrainCommand(program: Command): void {
  const presets = Object.keys(TRAIN_PRESETS);
  program
    .command('bench-train')
    .description('time training steps of a head in PyTorch and here, in turns, on the same cores')
    .addOption(new Option('--head <preset...>', 'which').choices(presets).default(['linear', 'upernet']))
    .option('--rounds <count>', 'of each, in turns', Number, 3)
    .option('--threads <count>', 'of torch and of ONNX Runtime', Number, os.availableParallelism())
    .action(async ({ head, rounds, threads }: Options) => {
      const screen = terminal();
      const folder = path.join(stateFolder(), 'bench-reference');
      const say = (step: string) => screen.step(step);
      for (const preset of head)
        console.log(trainBenchText(await benchTrain({ preset, rounds, threads, folder, say })));
    });
}
