import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { Command } from 'commander';
import { REPOSITORY, stateFolder } from '../workers/environment.ts';
import { benchCommand } from './commands/bench.ts';
import { benchFeaturesCommand } from './commands/bench-features.ts';
import { benchGpuCommand } from './commands/bench-gpu.ts';
import { benchReferenceCommand } from './commands/bench-reference.ts';
import { benchScaleCommand } from './commands/bench-scale.ts';
import { benchTrainCommand } from './commands/bench-train.ts';
import { cancelCommand } from './commands/cancel.ts';
import { configsCommand } from './commands/configs.ts';
import { demoCommand } from './commands/demo.ts';
import { goldenCommand } from './commands/golden.ts';
import { leftoversCommand } from './commands/leftovers.ts';
import { logsCommand } from './commands/logs.ts';
import { lsCommand } from './commands/ls.ts';
import { reproduceCommand } from './commands/reproduce.ts';
import { rerunCommand } from './commands/rerun.ts';
import { runCommand } from './commands/run.ts';
import { simulateTrainingCommand } from './commands/simulate-training.ts';
import { smokeCommand } from './commands/smoke.ts';
import { stackCommands } from './commands/stack.ts';
import { stageCommands } from './commands/stage.ts';
import { statusCommand } from './commands/status.ts';
import { trainCommand } from './commands/train.ts';
import { watchCommand } from './commands/watch.ts';
import { whyCommand } from './commands/why.ts';
import { explain } from './explain.ts';

const { version, description } = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8'));
const program = new Command('tessera').description(description).version(version).showHelpAfterError();
for (const command of [
  runCommand,
  trainCommand,
  reproduceCommand,
  demoCommand,
  lsCommand,
  statusCommand,
  whyCommand,
  logsCommand,
  cancelCommand,
  rerunCommand,
  watchCommand,
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

// `tessera logs … | head`: who reads has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  console.error(`✗ ${explain(error) ?? unexpected(error)}`);
  process.exitCode = 1;
}

/** An unforeseen error in a sentence; its stack goes to a file, for a bug report. */
function unexpected(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = error instanceof Error ? inspect(error) : text;
  const file = path.join(stateFolder(), 'logs', 'unexpected.log');
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${process.argv.slice(2).join(' ')}\n${stack}\n`);
    return `unexpected error, most likely a bug: ${text} (its stack: ${file})`;
  } catch {
    return `unexpected error, most likely a bug: ${stack}`;
  }
}
