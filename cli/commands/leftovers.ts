import type { Command } from 'commander';

export function leftoversCommand(program: Command): void {
  program
    .command('leftovers')
    .description('list Jobs whose run has ended, and remove them')
    .option('--remove', 'delete them, and their pods with them')
    .option('-n, --namespace <name>', "namespace of Tessera's workers; the current context's by default")
    .option('--older-than <seconds>', 'keep younger Jobs: their run may be about to remove them', Number, 60)
    .option('--json', 'print JSON')
    .action(async (options) => (await import('../leftovers.ts')).leftovers(options));
}
