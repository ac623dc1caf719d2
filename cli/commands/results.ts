import type { Command } from 'commander';
import type { ResultsOptions } from '../results/show-results.ts';

export function resultsCommand(program: Command): void {
  program
    .command('results')
    .description('print what a run has published: mIoU, mAcc, aAcc; per class on request')
    .argument('<run>', 'workflow id, s3:// address or folder')
    .option('--json', 'print results.json')
    .option('--csv', 'print CSV: one line, or with --per-class one line per class')
    .option('--per-class', 'add the per-class table')
    .action(async (run: string, options: ResultsOptions) =>
      (await import('../results/show-results.ts')).showResults(run, options),
    );
}
