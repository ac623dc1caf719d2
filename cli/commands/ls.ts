import type { Command } from 'commander';
import type { ListOptions } from '../runs/list.ts';

export function lsCommand(program: Command): void {
  program
    .command('ls')
    .description('list runs, the latest first: what runs, what ran, how far it is and what came out')
    .option('-a, --all', 'staging and parts of runs as well')
    .option('--state <state,...>', 'only those: running, completed, failed, cancelled, terminated, timed-out')
    .option('--since <time>', 'only those that started within a time (90m, 12h, 2d, 1w), or since a date')
    .option('-n, --limit <count>', 'so many at the most', '20')
    .option('--json', 'print JSON')
    .action(async (options: ListOptions) => (await import('../runs/list.ts')).list(options));
}
