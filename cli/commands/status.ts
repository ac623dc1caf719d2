import type { Command } from 'commander';
import type { StatusOptions } from '../runs/status.ts';

export function statusCommand(program: Command): void {
  program
    .command('status')
    .description('show a run: phase, progress, ETA, mIoU so far, workers, failures, addresses')
    .argument('<id>', 'workflow id, from `tessera ls`')
    .option('--json', 'print JSON')
    .action(async (id: string, options: StatusOptions) =>
      (await import('../runs/status.ts')).status(id, options),
    );
}
