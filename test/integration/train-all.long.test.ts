import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainInput } from '../../core/config/train-run.ts';
import { readTrainResults } from '../../core/read-train-results.ts';
import { ROOT } from './tessera.ts';
import { type Outcome, SHORT, startTrainings, type Trainings, untilTraining } from './training.ts';

/** Every parameter of the tiny model, on small crops; 20 steps of 4. */
const OVERRIDES = [
  ...SHORT,
  'train.batch=4',
  'run.batch=2',
  'train.trainable=all',
  'train.dropPathRate=0.2',
  'train.optimizer.layerDecayRate=0.9',
];

const input = (changes: Partial<TrainInput> = {}) => trainings.input({ overrides: OVERRIDES, ...changes });

let trainings: Trainings;
let undisturbed: Outcome;
beforeAll(async () => {
  trainings = await startTrainings({ images: 8 });
  await trainings.run('undisturbed', input());
  undisturbed = await trainings.outcome('undisturbed');
});
afterAll(() => trainings[Symbol.asyncDispose]());

describe('Train with every parameter free', () => {
  it('trains the whole model, evaluates it, and publishes it', async () => {
    const { tessera } = trainings;
    const result = await trainings.run('whole', input());
    const { evaluations, losses } = await trainings.outcome('whole');
    expect(losses).toEqual(undisturbed.losses);
    expect(losses.at(-1)!.loss).toBeLessThan(losses[0]!.loss);
    expect(evaluations.map(({ step }) => step)).toEqual([20]);
    const results = await readTrainResults(tessera.session.store, result.resultsUri);
    expect(results.evaluations.map(({ step }) => step)).toEqual([20]);

    // What was trained is a whole model: evaluated without another checkpoint it has the same mIoU.
    const { head: _, ...alone } = tessera.input({ weights: result.head });
    expect((await tessera.run('alone', alone)).mIoU).toBe(result.best.mIoU);
  });

  it('gives the same bits if it begins with another run’s checkpoint', async () => {
    const resumeFrom = `${ROOT}/runs/undisturbed/checkpoints/iter_15.json`;
    await trainings.run('resumed', input({ resumeFrom }));
    const { head, optimizer } = await trainings.outcome('resumed');
    expect({ head, optimizer }).toEqual({ head: undisturbed.head, optimizer: undisturbed.optimizer });
  });

  it('gives the same bits if its trainer is killed in mid-step', async () => {
    const handle = await trainings.start('killed', input());
    const { workers } = await untilTraining(handle, ({ step }) => step >= 7);
    for (const worker of Object.keys(workers))
      for (const pid of trainings.tessera.pids('workers/gpu', worker)) process.kill(pid, 'SIGKILL');
    await handle.result();
    expect(await trainings.outcome('killed')).toEqual(undisturbed);
  });

  it('ends when the loss is no number any more, by the last good checkpoint', async () => {
    const failure = await failureOf('diverged', [
      ...OVERRIDES,
      'train.optimizer.lr=1e30',
      'train.checkpointEvery=1',
    ]);
    expect(failure.type).toBe('BadData');
    expect(failure.message).toMatch(
      /^(step|after step) \d+.* \((the last good checkpoint is that of step \d|no checkpoint)/,
    );
  });

  it.each([
    ['train.dropPathRate=0.3', 'train.dropPathRate was 0.2 and is 0.3'],
    ['train.trainable=["backbone.blocks.*"]', 'train.trainable was "all" and is ["backbone.blocks.*"]'],
  ])('refuses to go on with %s, and overwrites nothing', async (override, message) => {
    const { store } = trainings.tessera.session;
    const before = await store.list(`${ROOT}/runs/undisturbed/`);
    const failure = await failureOf('undisturbed', [...OVERRIDES, override]);
    expect(failure.type).toBe('BadInput');
    expect(failure.message).toContain(message);
    expect(await store.list(`${ROOT}/runs/undisturbed/`)).toEqual(before);
  });
});

async function failureOf(workflowId: string, overrides: string[]) {
  const failure = await trainings.run(workflowId, input({ overrides })).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(WorkflowFailedError);
  return (failure as WorkflowFailedError).cause as Error & { type: string };
}
