import type { Command } from 'commander';

export interface PlanOptions {
  weights?: string;
  published?: string;
  head?: string;
  dataset: string;
  split: string;
  train?: true;
  allowOverlap?: true;
  cfgOptions?: string[];
  calibration?: string;
  calibrate?: string[];
  gpu?: string;
  json?: true;
}

export function planCommand(program: Command): void {
  program
    .command('plan')
    .description('estimate what a run does, takes and costs, without starting it; needs S3 only')
    .argument('<config>', 'a name from `tessera configs`, or a YAML file of this machine')
    .option(
      '--weights <uri>',
      'checkpoint of the backbone, or of everything: staged (s3://), or on the Hub (hf://); default: the config’s published weights',
    )
    .option('--published <s3-uri>', 'where `tessera stage published` has put the config’s weights and head')
    .option('--head <s3-uri>', 'staged checkpoint of the head; it wins where both have a tensor')
    .requiredOption('--dataset <s3-uri>', 'staged dataset')
    .option('--split <name>', 'split that is evaluated', 'validation')
    .option('--train', 'plan the training of the config’s head, not an evaluation')
    .option('--allow-overlap', 'as in `tessera train`')
    .option(
      '--cfg-options <key=value...>',
      'override fields of the config: run.workers=16 run.pricePerWorkerHour=3',
    )
    .option('--calibrate <results.json...>', 'take the speed from earlier runs: s3://…/results.json')
    .option('--calibration <file>', 'YAML or JSON file with speeds; --calibrate writes to it')
    .option('--gpu <name>', 'take the speed of this device, such as H200')
    .option('--json', 'print JSON')
    .action(async (config: string, options: PlanOptions) =>
      (await import('../plan/plan-run.ts')).planRun(config, options),
    );
}
