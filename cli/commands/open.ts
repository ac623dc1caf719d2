import type { Command } from 'commander';
import type { OpenOptions } from '../results/open-page.ts';

export function openCommand(program: Command): void {
  program
    .command('open')
    .description("open a run's page in the browser; without a display its address is printed")
    .argument('<run>', 'workflow id, s3:// address or folder')
    .option('--print', 'only print the address')
    .option('--hours <count>', 'how long the address is valid, for anybody who has it', '24')
    .action(async (run: string, options: OpenOptions) =>
      (await import('../results/open-page.ts')).openPage(run, options),
    );
}
