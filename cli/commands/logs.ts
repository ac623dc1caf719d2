import type { Command } from 'commander';
import type { LogsOptions } from '../runs/logs.ts';

export function logsCommand(program: Command): void {
  program
    .command('logs')
    .description(
      "print the logs of a run's workers, by time: processes, pods, and pods that are gone (kept in S3)",
    )
    .argument('<id>', 'workflow id, from `tessera ls`')
    .option('--worker <name>', 'only this worker: its name or number')
    .option('-f, --follow', 'follow the logs until the run ends')
    .option('--json', 'print one JSON object per line')
    .action(async (id: string, options: LogsOptions) => (await import('../runs/logs.ts')).logs(id, options));
}
