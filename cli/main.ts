import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { REPOSITORY, stateFolder } from '../workers/environment.ts';
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
import { planCommand } from './commands/plan.ts';
import { reproduceCommand } from './commands/reproduce.ts';
import { runCommand } from './commands/run.ts';
import { scheduleCommands } from './commands/schedule.ts';
import { simulateTrainingCommand } from './commands/simulate-training.ts';
import { smokeCommand } from './commands/smoke.ts';
import { stackCommands } from './commands/stack.ts';
import { stageCommands } from './commands/stage.ts';
import { trainCommand } from './commands/train.ts';
import { explain } from './explain.ts';

const { version, description } = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8'));
const program = new Command('tessera').description(description).version(version).showHelpAfterError();
for (const command of [
  runCommand,
  trainCommand,
  reproduceCommand,
  planCommand,
  scheduleCommands,
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
  console.error(`✗ ${explain(error) ?? unexpected(error)}`);
  process.exitCode = 1;
}

/** An unforeseen error in a sentence; its stack goes to a file, for a bug report. */
function unexpected(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = error instanceof Error ? error.stack : text;
  const file = path.join(stateFolder(), 'logs', 'unexpected.log');
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${process.argv.slice(2).join(' ')}\n${stack}\n`);
    return `unexpected error, most likely a bug: ${text} (its stack: ${file})`;
  } catch {
    return `unexpected error, most likely a bug: ${stack}`;
  }
}
