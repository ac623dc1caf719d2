import { Command, CommanderError } from 'commander';
import { endWith } from '../cli/end-with.ts';
import { exitCode } from '../cli/exit-codes.ts';
import { benchCommand } from './bench/commands/bench.ts';
import { benchBlockCommand } from './bench/commands/bench-block.ts';
import { benchFeaturesCommand } from './bench/commands/bench-features.ts';
import { benchGpuCommand } from './bench/commands/bench-gpu.ts';
import { benchReferenceCommand } from './bench/commands/bench-reference.ts';
import { benchScaleCommand } from './bench/commands/bench-scale.ts';
import { benchTrainCommand } from './bench/commands/bench-train.ts';
import { simulateTrainingCommand } from './bench/commands/simulate-training.ts';
import { goldenCommand } from './golden/check/command.ts';
import { smokeCommand } from './smoke/command.ts';

/** What checks and measures Tessera in a clone: each command is behind an npm script. */
const program = new Command('dev')
  .description("for Tessera's developers, in a clone")
  .showHelpAfterError()
  .exitOverride();
for (const command of [
  goldenCommand,
  benchCommand,
  benchReferenceCommand,
  benchGpuCommand,
  benchScaleCommand,
  benchTrainCommand,
  benchBlockCommand,
  benchFeaturesCommand,
  simulateTrainingCommand,
  smokeCommand,
])
  command(program);

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed its own errors.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : exitCode('Usage');
  else endWith(error);
}
