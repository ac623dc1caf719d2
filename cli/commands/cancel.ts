import type { Command } from 'commander';
import type { CancelOptions } from '../runs/cancel.ts';

export function cancelCommand(program: Command): void {
  program
    .command('cancel')
    .description('cancel a run, wait until it has ended, and say what is kept')
    .argument('<id>', 'workflow id, from `tessera ls`')
    .option('--no-wait', 'do not wait until it has ended')
    .option('--json', 'print JSON')
    .action(async (id: string, options: CancelOptions) =>
      (await import('../runs/cancel.ts')).cancel(id, options),
    );
}
