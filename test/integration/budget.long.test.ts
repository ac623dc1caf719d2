import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { total } from '../../core/metric/confusion-matrix.ts';
import { matrixFromBytes } from '../../core/metric/matrix-codec.ts';
import { matrixMetrics } from '../../core/metric/metrics.ts';
import { readTable } from '../../core/read-table.ts';
import { command } from './command.ts';
import { ROOT } from './tessera.ts';
import { startTrainings, type Trainings } from './training.ts';

/* What a run does that has spent its budget. */
let trainings: Trainings;
beforeAll(async () => {
  trainings = await startTrainings({ images: 12 });
});
afterAll(() => trainings[Symbol.asyncDispose]());

const EVALUATION = ['run.shards=6', 'run.batch=1', 'run.workers=1', 'run.overlays=6'];
/** A worker has not even started within it, so that one shard is all that is done. */
const TIGHT = 'run.budget.workerHours=0.0001';

describe('an evaluation', () => {
  it('ends at a shard’s border, with a result that says of what it is and has no exact mIoU', async () => {
    const { tessera } = trainings;
    const { store } = tessera.session;
    const result = await tessera.run('short', tessera.input({ overrides: [...EVALUATION, TIGHT] }));
    const results = await tessera.results('short');
    expect(results.partial).toMatchObject({
      images: 2,
      ofImages: 12,
      shards: 1,
      ofShards: 6,
      ranges: [{ first: 0, count: 2 }],
      reason: 'the budget of 0.0001 worker-hours (run.budget) was spent',
    });
    expect(results.metrics).toEqual({ mIoU: null, mAcc: null, aAcc: null });
    expect(results.coverage.images).toBe(2);
    expect(result).toMatchObject({ mIoU: null, images: 2, partial: { images: 2, ofImages: 12 } });
    // What it has is exact for what it is of.
    const matrix = matrixFromBytes(await store.read(results.confusionMatrix.uri));
    expect(total(matrix)).toBe(results.coverage.labelledPixels);
    expect(results.partial!.metrics.mIoU).toBeCloseTo(matrixMetrics(matrix).mIoU!, 12);
    expect(results.artifacts.mmsegEval).toContain('/partial_eval_single_scale_');
    const page = (await store.read(results.artifacts.report)).toString();
    expect(page).toContain('Not the exact mIoU: only 2 of 12 images were evaluated.');
    expect(page).not.toContain('Every image exactly once.');
  });

  it('is whole with a budget that lasts, to the last digit', async () => {
    const { tessera } = trainings;
    const enough = [...EVALUATION, 'run.pricePerWorkerHour=3.6', 'run.budget.money=1'];
    const { partial: _, ...whole } = await tessera.run('paid', tessera.input({ overrides: enough }));
    const { mIoU } = await tessera.run('free', tessera.input({ overrides: EVALUATION }));
    expect(whole.mIoU).toBe(mIoU);
    const { partial, cost } = await tessera.results('paid');
    expect(partial).toBeUndefined();
    expect(cost.total).toBeCloseTo(cost.workerSeconds / 1000, 12);
  });

  it('is shown as partial by `tessera run`, which fails, and by a table’s row', async () => {
    const { tessera } = trainings;
    const { weights, head, dataset } = tessera.input();
    const inputs = ['--weights', weights, '--dataset', dataset, '--cfg-options', ...EVALUATION, TIGHT];
    const run = await command(tessera.state, 'run', 'tiny', '--head', head!, ...inputs);
    expect(run.code).toBe(9);
    const listed = JSON.parse((await command(tessera.state, 'ls', '--json')).stdout);
    expect(listed[0]).toMatchObject({ config: 'tiny', state: 'completed', phase: 'partial', mIoU: null });
    expect(listed[0].share).toBeLessThan(1);
    expect(run.stdout).toMatch(
      /^PARTIAL, not the exact mIoU: 2 of 12 images; the budget of 0\.0001 worker-hours/,
    );
    const table = await command(
      tessera.state,
      ...['reproduce', 'tiny', '--head', `tiny=${head}`, '--workflow-id', 'table', ...inputs],
    );
    expect(table.code).toBe(1);
    const { rows } = await readTable(tessera.session.store, `${ROOT}/runs/table/table.json`);
    expect(rows[0]!.outcome).toMatchObject({
      kind: 'failed',
      class: 'BudgetSpent',
      message: expect.stringContaining('was spent after 2 of 12 images'),
    });
  });
});

it('a training ends with a checkpoint of where it is, says how to resume, and does', async () => {
  const { input, start } = trainings;
  const overrides = [
    ...input().overrides!,
    'train.steps=4000',
    'train.evaluateEvery=4000',
    'train.checkpointEvery=4000',
  ];
  const stepOf = async (workerHours: number) => {
    const request = input({ overrides: [...overrides, `run.budget.workerHours=${workerHours}`] });
    const failure = await (await start('training', request)).result().catch(({ cause }) => cause);
    expect(failure.type).toBe('BudgetSpent');
    const said =
      /^the budget of [\d.]+ worker-hours \(run\.budget\) was spent .* resumes \(the last good checkpoint is that of step (\d+):/;
    return Number(said.exec(failure.message)![1]);
  };
  const first = await stepOf(9 / 3600);
  expect(first).toBeGreaterThan(0);
  expect(await stepOf(10 / 3600)).toBeGreaterThan(first);
});
