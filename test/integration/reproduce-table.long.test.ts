import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CancelledFailure, type WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queryProgress } from '../../core/config/run-messages.ts';
import type { TableInput, TableResult } from '../../core/config/table.ts';
import { readTable } from '../../core/read-table.ts';
import { readTrainResults } from '../../core/read-train-results.ts';
import { ROOT } from './tessera.ts';
import { SHORT, startTrainings, type Trainings, untilTraining } from './training.ts';

let trainings: Trainings;
beforeAll(async () => {
  trainings = await startTrainings({ images: 8 });
});
afterAll(() => trainings[Symbol.asyncDispose]());

const HEAD = `${ROOT}/weights/head.pth`;

function input(changes: Partial<TableInput> = {}): TableInput {
  return {
    weights: `${ROOT}/weights/backbone.pth`,
    dataset: `${ROOT}/datasets/mini`,
    output: `${ROOT}/runs`,
    overrides: SHORT,
    rows: [
      { config: 'tiny', overrides: ['name=probe'] },
      { config: 'tiny', overrides: ['name=given'], head: HEAD },
      // Nothing is staged there.
      { config: 'tiny', overrides: ['name=lost'], weights: `${ROOT}/weights/none.pth` },
    ],
    ...changes,
  };
}

async function start(workflowId: string, request: TableInput): Promise<WorkflowHandle> {
  const { workflow } = trainings.tessera.session.client;
  return workflow.start('ReproduceTable', { taskQueue: 'tessera', workflowId, args: [request] });
}
const run = async (workflowId: string, request: TableInput): Promise<TableResult> =>
  (await start(workflowId, request)).result();

describe('ReproduceTable on real servers with local workers', () => {
  it('trains one row, evaluates another, and goes on past one that fails', async () => {
    const { store } = trainings.tessera.session;
    const handle = await start('suite', input());
    const result: TableResult = await handle.result();
    expect(result).toEqual({
      rows: 3,
      failed: 1,
      tableUri: `${ROOT}/runs/suite/table.json`,
      markdownUri: `${ROOT}/runs/suite/table.md`,
      pageUri: `${ROOT}/runs/suite/table.html`,
    });
    const { rows } = await readTable(store, result.tableUri);
    const trained = await readTrainResults(store, `${ROOT}/runs/suite/rows/suite-probe/results.json`);
    expect(rows[0]).toMatchObject({
      name: 'probe',
      outcome: {
        kind: 'trained',
        steps: 20,
        mIoU: trained.evaluations.at(-1)!.mIoU,
        best: trained.best,
        trainingImages: 16,
        images: 8,
      },
    });
    // The head that was fitted, evaluated by itself.
    const { tessera } = trainings;
    const alone = await tessera.run('alone', tessera.input({ head: HEAD }));
    expect(rows[1]).toMatchObject({ outcome: { kind: 'evaluated', mIoU: alone.mIoU, images: 8 } });
    expect(rows[2]!.outcome).toMatchObject({ kind: 'failed', class: 'BadInput' });
    expect(JSON.stringify(rows[2]!.outcome)).toContain('none.pth');

    const progress = await queryProgress(handle, 'ReproduceTable');
    expect(progress.phase).toBe('done');
    expect(progress.rows.map(({ state }) => state)).toEqual(['done', 'done', 'failed']);
    expect(tessera.pids('workers/gpu')).toEqual([]);
    expect((await store.read(result.markdownUri)).toString()).toContain('| probe |');
  });

  it('gives the finished table again; made anew, it takes the rows that are done as they are', async () => {
    const { store } = trainings.tessera.session;
    const before = await store.list(`${ROOT}/runs/suite/`);
    expect(await run('suite', input())).toMatchObject({ tableUri: `${ROOT}/runs/suite/table.json` });
    expect(await store.list(`${ROOT}/runs/suite/`)).toEqual(before);

    const handle = await start('suite', input({ rows: input().rows!.slice(0, 2), recompute: true }));
    const again: TableResult = await handle.result();
    const prefix = `${ROOT}/runs/suite/${(await handle.describe()).runId}`;
    expect(again).toMatchObject({ failed: 0, tableUri: `${prefix}/table.json` });
    const first = await readTable(store, `${ROOT}/runs/suite/table.json`);
    const table = await readTable(store, again.tableUri);
    expect(table.rows).toEqual(first.rows.slice(0, 2));
  });

  it('passes a cancellation on to its rows, and goes on where they were', async () => {
    const { client, store } = trainings.tessera.session;
    const rows = [{ config: 'tiny', overrides: ['name=cut', 'train.steps=40', 'train.evaluateEvery=40'] }];
    const handle = await start('cut', input({ rows }));
    const row = client.workflow.getHandle('cut-cut');
    await untilTraining(row, ({ step }) => step >= 5);
    await handle.cancel();
    const failure = await handle.result().catch((error: unknown) => error);
    expect((failure as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect((await row.describe()).status.name).toBe('CANCELLED');
    expect(trainings.tessera.pids('workers/gpu')).toEqual([]);

    const result = await run('cut', input({ rows }));
    expect(result.failed).toBe(0);
    const results = await readTrainResults(store, `${ROOT}/runs/cut/rows/cut-cut/results.json`);
    expect(results.resumedFrom).toBeGreaterThanOrEqual(5);
  });

  it('ends at its deadline, publishes nothing, and says how to go on', async () => {
    const failure = await run('late', input({ deadlineMinutes: 0.03 })).catch((error: unknown) => error);
    const { type, message } = (failure as WorkflowFailedError).cause as Error & { type: string };
    expect(type).toBe('Unavailable');
    expect(message).toContain('the deadline of 0.03 minutes passed with 0 rows done');
    const { store } = trainings.tessera.session;
    expect((await store.list(`${ROOT}/runs/late/`)).filter(({ uri }) => uri.includes('table'))).toEqual([]);
    expect(trainings.tessera.pids('workers/gpu')).toEqual([]);
  });

  it('is a command, which prints the table', async () => {
    const { weights, dataset, output } = input();
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...['--import', 'tsx', 'cli/main.ts', 'reproduce', 'tiny', '--workflow-id', 'command'],
      ...['--weights', weights!, '--dataset', dataset, '--output', output, '--head', `tiny=${HEAD}`],
      ...['--cfg-options', ...SHORT],
    ]);
    const { rows } = await readTable(trainings.tessera.session.store, `${ROOT}/runs/command/table.json`);
    const { outcome } = rows[0]!;
    expect(outcome.kind).toBe('evaluated');
    expect(stdout).toContain(`| tiny | – | ${(100 * (outcome as { mIoU: number }).mIoU).toFixed(2)} |`);
    expect(stdout).toContain(`page     ${ROOT}/runs/command/table.html`);
  });
});
