import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { TypedFailure } from '../core/config/failures.ts';
import { REPOSITORY } from '../workers/environment.ts';
import { benchCommand } from './commands/bench.ts';
import { benchFeaturesCommand } from './commands/bench-features.ts';
import { benchGpuCommand } from './commands/bench-gpu.ts';
import { benchReferenceCommand } from './commands/bench-reference.ts';
import { benchScaleCommand } from './commands/bench-scale.ts';
import { benchTrainCommand } from './commands/bench-train.ts';
import { configsCommand } from './commands/configs.ts';
import { demoCommand } from './commands/demo.ts';
import { goldenCommand } from './commands/golden.ts';
import { leftoversCommand } from './commands/leftovers.ts';
import { reproduceCommand } from './commands/reproduce.ts';
import { runCommand } from './commands/run.ts';
import { simulateTrainingCommand } from './commands/simulate-training.ts';
import { smokeCommand } from './commands/smoke.ts';
import { stackCommands } from './commands/stack.ts';
import { stageCommands } from './commands/stage.ts';
import { trainCommand } from './commands/train.ts';

const { version, description } = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8'));
const program = new Command('tessera').description(description).version(version).showHelpAfterError();
for (const command of [
  runCommand,
  trainCommand,
  reproduceCommand,
  demoCommand,
  stackCommands,
  stageCommands,
  leftoversCommand,
  configsCommand,
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
  command(program);

try {
  await program.parseAsync();
} catch (error) {
  // A user's mistake gets its sentence; only what nobody foresaw gets a stack.
  if (!(error instanceof TypedFailure)) throw error;
  console.error(`✗ ${error.message}`);
  process.exitCode = 1;
}
