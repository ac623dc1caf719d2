import type { Command } from 'commander';
import type { RerunOptions } from '../runs/rerun.ts';
import { withOutcomeOptions } from './outcome-options.ts';

export function rerunCommand(program: Command): void {
  const command = program
    .command('rerun')
    .description('start an earlier run again, unchanged or with changed options, and follow it')
    .argument('<id>', 'workflow id of the earlier run, from `tessera ls`')
    .option('--cfg-options <key=value...>', 'change fields of the config: run.batch=4')
    .option('--workflow-id <id>', 'id of the new run (default: the earlier one and the time)');
  withOutcomeOptions(command).action(async (id: string, options: RerunOptions) =>
    (await import('../runs/rerun.ts')).rerun(id, options),
  );
}
