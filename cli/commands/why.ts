import type { Command } from 'commander';

export function whyCommand(program: Command): void {
  program
    .command('why')
    .description('explain why a run failed and what to do, or what a running one waits for')
    .argument('<id>', 'workflow id, from `tessera ls`')
    .option('--json', 'print JSON')
    .action(async (id: string, options: { json?: true }) =>
      (await import('../runs/why.ts')).why(id, options),
    );
}
