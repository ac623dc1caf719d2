import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { runCommand } from '../../cli/commands/run.ts';
import { trainCommand } from '../../cli/commands/train.ts';
import type { EvalInput } from '../../core/config/eval.ts';
import { type Again, runAgain } from '../../core/run-again.ts';
import { temporaryFolder } from '../infra/observe.ts';

const INPUT: EvalInput = {
  config: 'tiny',
  weights: 's3://bucket/weights.pth',
  dataset: 's3://bucket/data',
  output: 's3://bucket/runs',
  overrides: [],
};

function lines(input: Partial<EvalInput> = {}, changes: Partial<Again> = {}): [string, string] {
  const again: Again = {
    type: 'EvalMIoU',
    command: 'run',
    workflowId: 'eval-1',
    input: { ...INPUT, ...input },
    options: {},
    ...changes,
  };
  return runAgain(again) as [string, string];
}

/** The words that a shell makes of a line, in a folder that tempts it to put file names for patterns. */
function wordsOf(line: string, shell: string): string[] {
  const folder = temporaryFolder();
  for (const name of ['pipeline.ratios=1', 'pipeline.ratios=,']) writeFileSync(join(folder, name), '');
  const printed = execFileSync(shell, ['-c', `printf '%s\\n' ${line}`], { cwd: folder, encoding: 'utf8' });
  return printed.split('\n').slice(0, -1);
}

describe.each(['sh', 'bash'])('a line, given to %s', (shell) => {
  const overrides = [
    'pipeline.ratios=[1,1]',
    'run.show={"opacity":0.5}',
    "dataset.classes=[{name: 'a b', color: [1, 2, 3]}]",
    'name=$HOME `pwd` "\\" ~ #*?!',
    '=cat',
    '',
  ];

  test('means the command that is meant, whatever is in its words', () => {
    const workflowId = "it's mine; really";
    const [workflow, command] = lines({ overrides }, { workflowId });
    expect(wordsOf(workflow, shell)).toEqual([
      ...['temporal', 'workflow', 'start', '--type', 'EvalMIoU', '--task-queue', 'tessera'],
      ...['--workflow-id', workflowId, '--input', JSON.stringify({ ...INPUT, overrides })],
    ]);
    expect(wordsOf(command, shell)).toEqual([
      ...['npx', 'tessera', 'run', 'tiny', '--weights', INPUT.weights, '--dataset', INPUT.dataset],
      ...['--output', INPUT.output, '--cfg-options', ...overrides],
    ]);
  });
});

test('words that a shell takes as they are have no quotes', () => {
  const [, command] = lines({ overrides: ['run.batch=8'] }, { options: { head: 's3://bucket/head.pth' } });
  expect(command).toBe(
    'npx tessera run tiny --weights s3://bucket/weights.pth --head s3://bucket/head.pth ' +
      '--dataset s3://bucket/data --output s3://bucket/runs --cfg-options run.batch=8',
  );
});

test('labels are given again', () => {
  const [, command] = lines({ labels: { team: 'x', n: '1' } });
  expect(command).toMatch(/ --label team=x --label n=1$/);
});

test('what is not given is left out', () => {
  const [, command] = lines({}, { options: { split: 'test', head: undefined } });
  expect(wordsOf(command, 'sh')).toEqual([
    ...['npx', 'tessera', 'run', 'tiny', '--weights', INPUT.weights, '--split', 'test'],
    ...['--dataset', INPUT.dataset, '--output', INPUT.output],
  ]);
});

test.each([
  ['run', runCommand, ['weights', 'head', 'split', 'dataset', 'output', 'cfg-options', 'label']],
  [
    ...(['train', trainCommand] as const),
    ['weights', 'evaluation-split', 'resume-from', 'load-from', 'dataset', 'output', 'cfg-options', 'label'],
  ],
] as const)('`tessera %s` has the options that the lines name', (_, define, names) => {
  const program = new Command();
  define(program);
  const options = program.commands[0]!.options.map(({ long }) => long);
  for (const name of names) expect(options).toContain(`--${name}`);
});
