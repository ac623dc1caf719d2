import type { Command } from 'commander';
import type { LogsOptions } from '../runs/logs.ts';

export function logsCommand(program: Command): void {
  program
    .command('logs')
    .description(
      "what a run's workers said, by time: of processes, of pods, and what S3 keeps of pods that are gone",
    )
    .argument('<id>', 'workflow id, from `tessera ls`')
    .option('--worker <name>', 'of one worker only: its name or number')
    .option('-f, --follow', 'go on until the run ends')
    .option('--json', 'print a JSON object a line')
    .action(async (id: string, options: LogsOptions) => (await import('../runs/logs.ts')).logs(id, options));
}
