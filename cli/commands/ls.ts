import type { Command } from 'commander';
import type { ListOptions } from '../runs/list.ts';

export function lsCommand(program: Command): void {
  program
    .command('ls')
    .description('list runs, the latest first, with state, progress, mIoU and cost')
    .option('-a, --all', 'include staging, and runs that are part of another')
    .option(
      '--state <state,...>',
      'only runs in these states: running, completed, failed, cancelled, terminated, timed-out',
    )
    .option('--since <time>', 'only runs that started within this time (90m, 12h, 2d, 1w) or since this date')
    .option('-n, --limit <count>', 'list at most this many', '20')
    .option('--json', 'print JSON')
    .action(async (options: ListOptions) => (await import('../runs/list.ts')).list(options));
}
