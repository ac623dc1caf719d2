import type { Command } from 'commander';

export function watchCommand(program: Command): void {
  program
    .command('watch')
    .description(
      'the live view of a run that anything started; exits as the run does, Ctrl-C leaves the view only',
    )
    .argument('<id>', 'workflow id, from `tessera ls`')
    .action(async (id: string) => (await import('../runs/watch.ts')).watch(id));
}
