import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTrainResults } from '../../core/read-train-results.ts';
import { ROOT } from './tessera.ts';
import { type Outcome, SHORT, startTrainings, type Trainings } from './training.ts';

/** Every parameter of the tiny model, on small crops; 20 steps of 4. */
const OVERRIDES = [
  ...SHORT,
  'train.batch=4',
  'run.batch=2',
  'train.trainable=all',
  'train.dropPathRate=0.2',
  'train.optimizer.layerDecayRate=0.9',
];

let trainings: Trainings;
let undisturbed: Outcome;
beforeAll(async () => {
  trainings = await startTrainings({ images: 8 });
  await trainings.run('undisturbed', trainings.input({ overrides: OVERRIDES }));
  undisturbed = await trainings.outcome('undisturbed');
});
afterAll(() => trainings[Symbol.asyncDispose]());

describe('Train with every parameter free', () => {
  it('trains the whole model, evaluates it, and publishes it', async () => {
    const { tessera } = trainings;
    const result = await trainings.run('whole', trainings.input({ overrides: OVERRIDES }));
    const { evaluations, losses } = await trainings.outcome('whole');
    expect(losses).toEqual(undisturbed.losses);
    expect(losses.at(-1)!.loss).toBeLessThan(losses[0]!.loss);
    expect(evaluations.map(({ step }) => step)).toEqual([20]);
    const results = await readTrainResults(tessera.session.store, result.resultsUri);
    expect(results.evaluations.map(({ step }) => step)).toEqual([20]);

    // What was trained is a whole model: evaluated without another checkpoint it has the same mIoU.
    const input = tessera.input({ weights: result.head });
    const alone = await tessera.run('alone', { ...input, head: undefined });
    expect(alone.mIoU).toBe(result.best.mIoU);
  });

  it('gives the same bits after it was resumed', async () => {
    const resumeFrom = `${ROOT}/runs/undisturbed/checkpoints/iter_15.json`;
    await trainings.run('resumed', trainings.input({ overrides: OVERRIDES, resumeFrom }));
    const resumed = await trainings.outcome('resumed');
    expect(resumed.head).toBe(undisturbed.head);
    expect(resumed.optimizer).toBe(undisturbed.optimizer);
  });
});
