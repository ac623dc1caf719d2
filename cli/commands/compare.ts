import type { Command } from 'commander';
import type { CompareOptions } from '../results/compare.ts';

export function compareCommand(program: Command): void {
  program
    .command('compare')
    .description('compare evaluations of the same images: differences with confidence intervals')
    .argument('<runs...>', 'workflow ids, s3:// addresses or folders; the first one is the baseline')
    .option('--json', 'print JSON')
    .option('--html <file>', 'write a page')
    .option('--all', 'show every class, changed or not')
    .option('--resamples <count>', 'resamples of the paired bootstrap over images', '2000')
    .option('--seed <number>', 'seed of the resamples: the same seed gives the same intervals', '1')
    .action(async (runs: string[], options: CompareOptions) =>
      (await import('../results/compare.ts')).compare(runs, options),
    );
}
