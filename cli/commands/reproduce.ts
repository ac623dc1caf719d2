import { type Command, InvalidArgumentError } from 'commander';
import type { OutcomeOptions } from '../run-outcome.ts';
import { withDocumentOptions } from './outcome-options.ts';
import { labelled } from './run.ts';

export interface TableOptions extends OutcomeOptions {
  weights?: string;
  published?: string;
  dataset: string;
  evaluationSplit: string;
  allowOverlap?: true;
  output?: string;
  workflowId?: string;
  head?: Record<string, string>;
  cfgOptions?: string[];
  concurrency: string;
  deadline: string;
  recompute?: true;
  label?: Record<string, string>;
}

/** @param act what is done: in place of running it, a schedule may be made of it */
export function reproduceCommand(
  program: Command,
  act = async (names: string[], options: TableOptions) =>
    (await import('../run-outcome.ts')).runTable(names, options),
): void {
  const command = program
    .command('reproduce')
    .description("train and evaluate several configs: one table of the original's numbers and ours")
    .argument(
      '<suite|config...>',
      'few-shot, all, dinov2 or dinov3, or names from `tessera configs`, or YAML files of this machine',
    )
    .option(
      '--weights <uri>',
      'checkpoint of the backbone: staged (s3://), or on the Hub (hf://); default: the config’s published weights',
    )
    .option('--published <s3-uri>', 'where `tessera stage published` has put the config’s weights and head')
    .requiredOption('--dataset <s3-uri>', 'staged dataset, with the splits to train and to evaluate on')
    .option('--evaluation-split <name>', 'split that is evaluated', 'validation')
    .option('--allow-overlap', 'train even if the evaluation has some of the same images')
    .option(
      '--head <config=s3-uri...>',
      'staged head of a config: it is evaluated instead of trained',
      namedHead,
    )
    .option('--output <s3-uri>', 'the table goes to <output>/<workflow id>/ (default: s3://<bucket>/runs)')
    .option('--workflow-id <id>', 'the same id resumes the run (default: suite and time)')
    .option('--cfg-options <key=value...>', "override fields of every row's config: run.workers=64")
    .option('--concurrency <count>', 'rows that run at once, each with its own workers', '1')
    .option('--deadline <minutes>', 'cancel the table after this time', '20160')
    .option('--recompute', 'make the table again even if the workflow id has one; finished rows are kept')
    .option('--label <key=value>', 'label of every row, its pods and its results; may be repeated', labelled);
  withDocumentOptions(command).action(act);
}

function namedHead(text: string, heads: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected config=s3://bucket/key');
  return { ...heads, [text.slice(0, at)]: text.slice(at + 1) };
}
