import type { Command } from 'commander';
import { benchCommand } from './commands/bench.ts';
import { benchFeaturesCommand } from './commands/bench-features.ts';
import { benchGpuCommand } from './commands/bench-gpu.ts';
import { benchReferenceCommand } from './commands/bench-reference.ts';
import { benchScaleCommand } from './commands/bench-scale.ts';
import { benchTrainCommand } from './commands/bench-train.ts';
import { goldenCommand } from './commands/golden.ts';
import { simulateTrainingCommand } from './commands/simulate-training.ts';
import { smokeCommand } from './commands/smoke.ts';

/** What Tessera's own developers run in a clone, each behind an npm script. */
export function devCommands(program: Command): void {
  const dev = program.command('dev', { hidden: true }).description("for Tessera's developers");
  for (const command of [
    goldenCommand,
    benchCommand,
    benchReferenceCommand,
    benchGpuCommand,
    benchScaleCommand,
    benchTrainCommand,
    benchFeaturesCommand,
    simulateTrainingCommand,
    smokeCommand,
  ])
    command(dev);
}
