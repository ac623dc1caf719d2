import type { Command } from 'commander';
import type { GetOptions } from '../results/get-run.ts';

export function getCommand(program: Command): void {
  program
    .command('get')
    .description('copy all objects of a run to a folder; safe to repeat, never overwrites')
    .argument('<run>', 'workflow id or s3:// address')
    .argument('<folder>', 'created if it does not exist')
    .option('--json', 'print JSON')
    .action(async (run: string, folder: string, options: GetOptions) =>
      (await import('../results/get-run.ts')).getRun(run, folder, options),
    );
}
