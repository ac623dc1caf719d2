import type { Command } from 'commander';

export function watchCommand(program: Command): void {
  program
    .command('watch')
    .description("show the live view of any run; exits with the run's code, and Ctrl-C ends only the view")
    .argument('<id>', 'workflow id, from `tessera ls`')
    .action(async (id: string) => (await import('../runs/watch.ts')).watch(id));
}
