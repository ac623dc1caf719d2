import type { Command } from 'commander';
import { AUG_TEST } from '../../core/image/views.ts';
import { evaluationToEnd } from '../runs/to-end.ts';
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
  augTest?: true;
  eval?: string[];
  show?: true;
  opacity: string;
  out?: true;
  formatOnly?: true;
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
    .option('--aug-test', 'average over six scales, mirrored and not')
    .option('--eval <metrics...>', 'beside mIoU: mDice, mFscore')
    .option('--show', 'write every prediction painted over its image')
    .option('--opacity <0-1>', 'of the paint of --show', '0.5')
    .option('--out', 'write label maps as PNG')
    .option('--format-only', "write label maps as ADE20K's server wants them: class + 1")
    .option('--deadline <minutes>', 'cancel the run after so long', '1440')
    .option('--recompute', 'evaluate again although the workflow id has results')
    .action(async (config: string, options: RunOptions) => {
      const screen = terminal();
      await using session = await openSession(screen);
      const workflowId = options.workflowId ?? `${config.split('/').at(-1)}-${timestamp(new Date())}`;
      await evaluationToEnd(
        session,
        workflowId,
        {
          config,
          overrides: [...(options.cfgOptions ?? []), ...optionOverrides(options)],
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
    });
}

/** mmseg's options, as the fields of the config that they stand for. */
function optionOverrides({ augTest, eval: metrics, show, opacity, out, formatOnly }: RunOptions): string[] {
  const extra = metrics?.filter((metric) => metric !== 'mIoU') ?? [];
  return [
    augTest ? `pipeline.augmentation=${JSON.stringify(AUG_TEST)}` : '',
    extra.length > 0 ? `run.metrics=${JSON.stringify(extra)}` : '',
    show ? `run.show={"opacity":${Number(opacity)}}` : '',
    formatOnly ? 'run.predictions=submission' : out ? 'run.predictions=labels' : '',
  ].filter((override) => override !== '');
}

/** `20261124-215003`, UTC. */
export function timestamp(now: Date): string {
  return now
    .toISOString()
    .replace(/\D/g, '')
    .replace(/^(\d{8})(\d{6}).*/, '$1-$2');
}
