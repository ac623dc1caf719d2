import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import type { EvalInput } from '../../core/config/eval.ts';
import type { TrainInput, TrainStart } from '../../core/config/train-run.ts';
import { reproduceEvaluation } from '../../workflows/reproduce-evaluation.ts';
import { reproduceTraining } from '../../workflows/reproduce-training.ts';

const common = {
  config: 'tiny',
  weights: 's3://bucket/weights.pth',
  dataset: 's3://bucket/data',
  output: 's3://bucket/runs',
  overrides: ['train.augmentation.ratioRange=[1,1]'],
};

/** The value of each option that a shell makes of a line: its first word. */
function optionsOf(line: string): Record<string, string> {
  const words = execFileSync('sh', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' }).split('\n');
  return Object.fromEntries(
    words.flatMap((word, i) => (word.startsWith('--') ? [[word.slice(2), words[i + 1]!]] : [])),
  );
}

describe('an evaluation is run again', () => {
  const input: EvalInput = { ...common, head: 's3://bucket/head.pth', split: 'test' };
  const [workflow, command] = reproduceEvaluation({ workflowId: 'eval-1' }, input).map(optionsOf);

  test('on the same split, with the same head', () => {
    expect(command).toMatchObject({ split: 'test', head: 's3://bucket/head.pth' });
    expect(command!['cfg-options']).toBe(common.overrides[0]);
  });

  test('although its id has results', () => {
    expect(workflow!['workflow-id']).toBe('eval-1');
    expect(JSON.parse(workflow!.input!)).toEqual({ ...input, recompute: true });
  });
});

describe('a training is run again', () => {
  function again(input: Partial<TrainInput>, start: TrainStart = { from: 'scratch' }) {
    const lines = reproduceTraining({ workflowId: 'train-1', start }, { ...common, ...input });
    const [workflow, command] = lines.map(optionsOf);
    return { workflow: workflow!, command: command!, input: JSON.parse(workflow!.input!) as TrainInput };
  }

  test('evaluated on the same split', () => {
    expect(again({ evaluationSplit: 'test' }).command['evaluation-split']).toBe('test');
  });

  test('by an id at which the same line goes on when it was stopped', () => {
    const { workflow, input } = again({ recompute: true });
    expect(workflow['workflow-id']).toBe('train-1-again');
    expect(input.recompute).toBe(false);
  });

  test('from the checkpoint that it began with, not from what its folder has by now', () => {
    const uri = 's3://bucket/runs/other/checkpoints/iter_10.json';
    const { command, input } = again(
      { resumeFrom: 's3://bucket/runs/other' },
      { from: 'checkpoint', uri, step: 10 },
    );
    expect(command['resume-from']).toBe(uri);
    expect(input.resumeFrom).toBe(uri);
  });

  test('from what it began with although the command that it went on by had nothing of it, or more', () => {
    const head = { uri: 's3://bucket/head.pth', sha256: '0'.repeat(64), sizeBytes: 1 };
    const { command, input } = again({}, { from: 'head', head });
    expect(command['load-from']).toBe(head.uri);
    expect(input.loadFrom).toBe(head.uri);
    const fromScratch = again({ loadFrom: head.uri });
    expect(fromScratch.command).not.toHaveProperty('load-from');
    expect(fromScratch.input).not.toHaveProperty('loadFrom');
  });
});
