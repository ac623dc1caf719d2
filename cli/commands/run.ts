import { type Command, InvalidArgumentError } from 'commander';
import type { OutcomeOptions } from '../run-outcome.ts';
import { withOutcomeOptions } from './outcome-options.ts';

export interface RunOptions extends OutcomeOptions {
  weights?: string;
  published?: string;
  head?: string;
  dataset: string;
  split: string;
  output?: string;
  workflowId?: string;
  cfgOptions?: string[];
  augTest?: true;
  eval?: string[];
  show?: true;
  opacity: string;
  out?: true;
  formatOnly?: true;
  deadline: string;
  recompute?: true;
  label?: Record<string, string>;
}

/** @param act what is done: in place of running it, a schedule may be made of it */
export function runCommand(
  program: Command,
  act = async (config: string, options: RunOptions) =>
    (await import('../run-outcome.ts')).runConfig(config, options),
): void {
  const command = program
    .command('run')
    .description('evaluate a config: starts EvalMIoU, shows its progress, prints the per-class table')
    .argument('<config>', 'a name from `tessera configs`, or a YAML file of this machine')
    .option(
      '--weights <uri>',
      'checkpoint of the backbone, or of everything: staged (s3://), or on the Hub (hf://); default: the config’s published weights',
    )
    .option('--published <s3-uri>', 'where `tessera stage published` has put the config’s weights and head')
    .option('--head <s3-uri>', 'staged checkpoint of the head; it wins where both have a tensor')
    .requiredOption('--dataset <s3-uri>', 'staged dataset')
    .option('--split <name>', 'split of the dataset', 'validation')
    .option('--output <s3-uri>', 'results go to <output>/<workflow id>/ (default: s3://<bucket>/runs)')
    .option('--workflow-id <id>', 'the same id gives the same results again (default: config name and time)')
    .option('--cfg-options <key=value...>', 'override fields of the config, as mmseg does: run.batch=4')
    .option('--aug-test', 'average over six scales, mirrored and not')
    .option('--eval <metrics...>', 'metrics in addition to mIoU: mDice, mFscore')
    .option('--show', 'write each image with its prediction painted over it')
    .option('--opacity <0-1>', 'opacity of --show', '0.5')
    .option('--out', 'write label maps as PNG')
    .option('--format-only', "write label maps as ADE20K's server wants them: class + 1")
    .option('--deadline <minutes>', 'cancel the run after this time', '1440')
    .option('--recompute', 'evaluate again even if the workflow id has results')
    .option('--label <key=value>', 'label of the run, its pods and its results; may be repeated', labelled);
  withOutcomeOptions(command).action(act);
}

/** Options of the same name, one after the other, as one record. */
export function labelled(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected key=value');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
