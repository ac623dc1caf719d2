import type { Command } from 'commander';
import type { IndexOptions } from '../index/index-runs.ts';

export function indexCommand(program: Command): void {
  program
    .command('index')
    .description('write a page over all published runs below a prefix; safe to repeat')
    .argument('<prefix>', 's3:// address of the folder that runs publish to')
    .option('--json', 'print JSON')
    .action(async (prefix: string, options: IndexOptions) =>
      (await import('../index/index-runs.ts')).indexRuns(prefix, options),
    );
}
