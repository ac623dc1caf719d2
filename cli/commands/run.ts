import type { Command } from 'commander';
import { resultsText, runEval } from '../run-workflow.ts';
import { openSession } from '../session.ts';
import { terminal } from '../terminal.ts';

interface RunOptions {
  weights: string;
  head?: string;
  dataset: string;
  split: string;
  output?: string;
  workflowId?: string;
  cfgOptions?: string[];
  deadline: string;
  recompute?: true;
}

export function runCommand(program: Command): void {
  program
    .command('run')
    .description('evaluate a config: starts EvalMIoU, shows its progress, prints the per-class table')
    .argument('<config>', 'a name from `tessera configs`, or a YAML file')
    .requiredOption('--weights <s3-uri>', 'staged checkpoint of the backbone, or of everything')
    .option('--head <s3-uri>', 'staged checkpoint that lies over it')
    .requiredOption('--dataset <s3-uri>', 'staged dataset')
    .option('--split <name>', 'split of the dataset', 'validation')
    .option('--output <s3-uri>', 'results go to <output>/<workflow id>/ (default: s3://<bucket>/runs)')
    .option('--workflow-id <id>', 'the same id gives the same results again (default: config name and time)')
    .option('--cfg-options <key=value...>', 'override fields of the config, as mmseg does: run.batch=4')
    .option('--deadline <minutes>', 'cancel the run after so long', '1440')
    .option('--recompute', 'evaluate again although the workflow id has results')
    .action(async (config: string, options: RunOptions) => {
      const screen = terminal();
      await using session = await openSession(screen);
      const workflowId = options.workflowId ?? `${config.split('/').at(-1)}-${timestamp(new Date())}`;
      const result = await runEval(
        session,
        workflowId,
        {
          config,
          overrides: options.cfgOptions ?? [],
          weights: options.weights,
          ...(options.head ? { head: options.head } : {}),
          dataset: options.dataset,
          split: options.split,
          output: options.output ?? `s3://${session.bucket}/runs`,
          deadlineMinutes: Number(options.deadline),
          recompute: options.recompute ?? false,
        },
        screen,
      );
      console.log(await resultsText(session, result.resultsUri));
      console.log(`\nresults  ${result.resultsUri}\nreport   ${result.reportUri}`);
    });
}

/** `20261124-215003`, UTC. */
export function timestamp(now: Date): string {
  return now
    .toISOString()
    .replace(/\D/g, '')
    .replace(/^(\d{8})(\d{6}).*/, '$1-$2');
}
