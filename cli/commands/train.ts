import type { Command } from 'commander';
import type { OutcomeOptions } from '../run-outcome.ts';
import { withOutcomeOptions } from './outcome-options.ts';
import { labelled } from './run.ts';

export interface TrainOptions extends OutcomeOptions {
  weights?: string;
  published?: string;
  dataset: string;
  evaluationSplit: string;
  allowOverlap?: true;
  output?: string;
  workflowId?: string;
  cfgOptions?: string[];
  resumeFrom?: string;
  loadFrom?: string;
  resume: boolean;
  deadline: string;
  recompute?: true;
  label?: Record<string, string>;
}

/** @param act what is done: in place of running it, a schedule may be made of it */
export function trainCommand(
  program: Command,
  act = async (config: string, options: TrainOptions) =>
    (await import('../run-outcome.ts')).trainConfig(config, options),
): void {
  const command = program
    .command('train')
    .description(
      'train a config’s head, or every parameter, as its recipe says: starts Train, shows its progress',
    )
    .argument(
      '<config>',
      'a name from `tessera configs`, or a YAML file of this machine, with a train section',
    )
    .option(
      '--weights <uri>',
      'checkpoint of the backbone: staged (s3://), or on the Hub (hf://); default: the config’s published weights',
    )
    .option('--published <s3-uri>', 'where `tessera stage published` has put the config’s weights and head')
    .requiredOption('--dataset <s3-uri>', 'staged dataset, with the splits to train and to evaluate on')
    .option('--evaluation-split <name>', 'split that checkpoints are evaluated on', 'validation')
    .option('--allow-overlap', 'train even if the evaluation has some of the same images')
    .option('--output <s3-uri>', 'results go to <output>/<workflow id>/ (default: s3://<bucket>/runs)')
    .option('--workflow-id <id>', 'the same id resumes the run (default: config name and time)')
    .option('--cfg-options <key=value...>', 'override fields of the config, as mmseg does: train.steps=400')
    .option('--resume-from <s3-uri>', "another run's checkpoint: resumes its weights, optimizer and step")
    .option('--load-from <s3-uri>', 'a staged head: its weights only, from step 0 on')
    .option('--no-resume', 'refuse to resume from a checkpoint of this workflow id')
    .option('--deadline <minutes>', 'cancel the run after this time', '10080')
    .option('--recompute', 'train again even if the workflow id has results')
    .option('--label <key=value>', 'label of the run, its pods and its results; may be repeated', labelled);
  withOutcomeOptions(command).action(act);
}
