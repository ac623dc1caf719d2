import type { Command } from 'commander';

export function stackCommands(program: Command): void {
  program
    .command('stack')
    .description('keep Temporal, S3 and a control worker up on this machine, until Ctrl-C')
    .action(async () => (await import('../stack.ts')).keepStack());

  program
    .command('env')
    .description('print the local stack\'s environment for a shell: eval "$(npx tessera env)"')
    .action(async () => (await import('../stack.ts')).printEnvironment());
}
