import { readFileSync } from 'node:fs';
import path from 'node:path';
import tab from '@bomb.sh/tab/commander';
import { Command } from 'commander';
import { PACKAGE } from '../workers/environment.ts';
import { compareCommand } from './commands/compare.ts';
import { configsCommand } from './commands/configs.ts';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { getCommand } from './commands/get.ts';
import { leftoversCommand } from './commands/leftovers.ts';
import { openCommand } from './commands/open.ts';
import { planCommand } from './commands/plan.ts';
import { reproduceCommand } from './commands/reproduce.ts';
import { resultsCommand } from './commands/results.ts';
import { runCommand } from './commands/run.ts';
import { stackCommands } from './commands/stack.ts';
import { stageCommands } from './commands/stage.ts';
import { trainCommand } from './commands/train.ts';

// What is imported here is loaded by `tessera --help`: declarations only. A command's action imports its work.
const { version, description } = JSON.parse(readFileSync(path.join(PACKAGE, 'package.json'), 'utf8'));
const program = new Command('tessera')
  .description(description)
  .version(version)
  .showHelpAfterError()
  .exitOverride();
for (const command of [
  runCommand,
  trainCommand,
  reproduceCommand,
  resultsCommand,
  compareCommand,
  getCommand,
  openCommand,
  planCommand,
  demoCommand,
  stackCommands,
  stageCommands,
  doctorCommand,
  leftoversCommand,
  configsCommand,
])
  command(program);
tab(program, { completionCommandName: 'completion' });
// Benchmarks and what else is for Tessera's own developers: out of sight, and not in the npm package.
try {
  if (process.argv[2] === 'dev') (await import('./dev.ts')).devCommands(program);
  await program.parseAsync();
} catch (error) {
  (await import('./end-with.ts')).endWith(error);
}
