import { readFileSync } from 'node:fs';
import path from 'node:path';
import tab from '@bomb.sh/tab/commander';
import { Command } from 'commander';
import { PACKAGE } from '../workers/environment.ts';
import { cancelCommand } from './commands/cancel.ts';
import { compareCommand } from './commands/compare.ts';
import { configsCommand } from './commands/configs.ts';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { getCommand } from './commands/get.ts';
import { indexCommand } from './commands/index-runs.ts';
import { leftoversCommand } from './commands/leftovers.ts';
import { logsCommand } from './commands/logs.ts';
import { lsCommand } from './commands/ls.ts';
import { openCommand } from './commands/open.ts';
import { planCommand } from './commands/plan.ts';
import { reproduceCommand } from './commands/reproduce.ts';
import { rerunCommand } from './commands/rerun.ts';
import { resultsCommand } from './commands/results.ts';
import { runCommand } from './commands/run.ts';
import { scheduleCommands } from './commands/schedule.ts';
import { stackCommands } from './commands/stack.ts';
import { stageCommands } from './commands/stage.ts';
import { statusCommand } from './commands/status.ts';
import { trainCommand } from './commands/train.ts';
import { watchCommand } from './commands/watch.ts';
import { whyCommand } from './commands/why.ts';

// What is imported here is loaded by `tessera --help`: declarations only. A command's action imports its work.

/** The `tessera` command with all that a user sees of it. */
export function tesseraProgram(): Command {
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
    lsCommand,
    statusCommand,
    whyCommand,
    logsCommand,
    cancelCommand,
    rerunCommand,
    watchCommand,
    resultsCommand,
    compareCommand,
    getCommand,
    openCommand,
    indexCommand,
    planCommand,
    scheduleCommands,
    demoCommand,
    stackCommands,
    stageCommands,
    doctorCommand,
    leftoversCommand,
    configsCommand,
  ])
    command(program);
  tab(program, { completionCommandName: 'completion' });
  return program;
}
