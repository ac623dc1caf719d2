import { type Command, InvalidArgumentError } from 'commander';
import { SUITES, type Suite, type TableInput } from '../../core/config/table.ts';
import { tableToEnd } from '../runs/to-end.ts';
import { openSession } from '../session.ts';
import { terminal } from '../terminal.ts';
import { timestamp } from './run.ts';

interface Options {
  weights: string;
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
}

export function reproduceCommand(program: Command): void {
  program
    .command('reproduce')
    .description("train and evaluate several configs: one table of the original's numbers and ours")
    .argument('<suite|config...>', `${Object.keys(SUITES).join(' or ')}, or names from \`tessera configs\``)
    .requiredOption('--weights <s3-uri>', 'staged checkpoint of the backbone')
    .requiredOption('--dataset <s3-uri>', 'staged dataset, with the splits to train and to evaluate on')
    .option('--evaluation-split <name>', 'split that is evaluated', 'validation')
    .option('--allow-overlap', 'train although the evaluation has some of the same images')
    .option(
      '--head <config=s3-uri...>',
      'staged head of a config: it is evaluated instead of trained',
      namedHead,
    )
    .option('--output <s3-uri>', 'the table goes to <output>/<workflow id>/ (default: s3://<bucket>/runs)')
    .option('--workflow-id <id>', 'the same id goes on where it was (default: suite and time)')
    .option('--cfg-options <key=value...>', "override fields of every row's config: run.workers=64")
    .option('--concurrency <count>', 'rows at a time, each with its own workers', '1')
    .option('--deadline <minutes>', 'cancel the whole after so long', '20160')
    .option('--recompute', 'make the table again although the workflow id has one; rows that are done stay')
    .action(async (names: string[], options: Options) => {
      const screen = terminal();
      await using session = await openSession(screen);
      const { weights, dataset, evaluationSplit } = options;
      const workflowId = options.workflowId ?? `reproduce-${timestamp(new Date())}`;
      const input: TableInput = {
        ...whatOf(names, options.head ?? {}),
        ...{ weights, dataset, evaluationSplit, overrides: options.cfgOptions ?? [] },
        output: options.output ?? `s3://${session.bucket}/runs`,
        allowOverlap: options.allowOverlap ?? false,
        concurrency: Number(options.concurrency),
        deadlineMinutes: Number(options.deadline),
        recompute: options.recompute ?? false,
      };
      await tableToEnd(session, workflowId, input, screen);
    });
}

/** A suite's name alone means its rows; heads go to the rows of their configs. */
function whatOf(names: string[], heads: Record<string, string>): Pick<TableInput, 'suite' | 'rows'> {
  const rowOf = (config: string) => ({ config, ...(heads[config] ? { head: heads[config] } : {}) });
  const [suite] = names;
  if (names.length === 1 && suite! in SUITES)
    return { suite: suite as Suite, rows: Object.keys(heads).map(rowOf) };
  const others = Object.keys(heads).filter((config) => !names.includes(config));
  return { rows: [...names, ...others].map(rowOf) };
}

function namedHead(text: string, heads: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected config=s3://bucket/key');
  return { ...heads, [text.slice(0, at)]: text.slice(at + 1) };
}
