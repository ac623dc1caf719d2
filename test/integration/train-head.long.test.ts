import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTrainResults } from '../../core/read-train-results.ts';
import { readCheckpoint } from '../../core/train/checkpoint-pointers.ts';
import { startNode } from '../infra/observe.ts';
import { ROOT } from './tessera.ts';
import { type Outcome, SHORT, startTrainings, type Trainings, untilTraining } from './training.ts';

let trainings: Trainings;
let undisturbed: Outcome;
beforeAll(async () => {
  trainings = await startTrainings({ images: 8 });
  await trainings.run('undisturbed', trainings.input());
  undisturbed = await trainings.outcome('undisturbed');
});
afterAll(() => trainings[Symbol.asyncDispose]());

const UPERNET = ['train.schedule.warmup.steps=1', 'train.logEvery=1', 'run.shards=2', 'run.overlays=0'];

/** `SHORT` with changes. */
const short = (...overrides: string[]) => ({ overrides: [...SHORT, ...overrides] });

describe('Train on real servers with local workers', () => {
  it('trains, evaluates at each stop, and publishes the best head', async () => {
    const { store } = trainings.tessera.session;
    const result = await trainings.run('whole', trainings.input(short('train.evaluateEvery=8')));
    const { evaluations, losses } = await trainings.outcome('whole');
    expect(evaluations.map(({ step }) => step)).toEqual([8, 16, 20]);
    expect(losses).toEqual(undisturbed.losses);
    expect(result).toMatchObject({ steps: 20, last: evaluations.at(-1) });
    const results = await readTrainResults(store, result.resultsUri);
    expect(results.evaluations.map(({ step }) => step)).toEqual([8, 16, 20]);
    const best = evaluations.toSorted((a, b) => b.mIoU! - a.mIoU!)[0]!;
    expect(result.best).toMatchObject(best);
    expect(result.head).toBe(`${ROOT}/runs/whole/checkpoints/iter_${best.step}.pth`);
    const kept = (await store.list(`${ROOT}/runs/whole/checkpoints/`)).filter(({ uri }) =>
      uri.endsWith('.pth'),
    );
    expect(kept.map(({ uri }) => uri)).toContain(result.head);
    // The last two and the best, of head and optimizer each.
    expect(kept.length).toBeLessThanOrEqual(6);

    // The head that was trained is a head: evaluated by itself it has the same mIoU.
    const { tessera } = trainings;
    const alone = await tessera.run('alone', tessera.input({ head: result.head }));
    expect(alone.mIoU).toBe(result.best.mIoU);
  });

  it('gives the same losses and weights, bit for bit, whoever computes the features', async () => {
    // Long enough that other workers come in time.
    const long = (workers: number) =>
      trainings.input(short('train.steps=60', 'train.evaluateEvery=60', `run.workers=${workers}`));
    await trainings.run('alone-60', long(1));
    const expected = await trainings.outcome('alone-60');
    expect(expected.losses).toHaveLength(60);

    const two = await trainings.start('two', long(2));
    await untilTraining(two, ({ log }) => log?.feature_workers === 1);
    await two.result();
    expect(await trainings.outcome('two')).toEqual(expected);

    const four = await trainings.start('four', long(4));
    const { step, workers } = await untilTraining(four, ({ log }) => (log?.feature_workers ?? 0) > 1);
    expect(step).toBeLessThan(55);
    const [victim] = Object.entries(workers).find(([, { role }]) => role !== 'trainer')!;
    for (const pid of trainings.tessera.pids('workers/gpu', victim)) process.kill(pid, 'SIGKILL');
    await four.result();
    expect(await trainings.outcome('four')).toEqual(expected);
  });

  it('keeps where it is when cancelled, and resumes from there when started again', async () => {
    const { session, pids } = trainings.tessera;
    const handle = await trainings.start('cancelled', trainings.input());
    await untilTraining(handle, ({ step }) => step >= 7);
    await handle.cancel();
    const failure = await handle.result().catch((error: unknown) => error);
    expect((failure as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect(pids('workers/gpu')).toEqual([]);
    const { checkpoint } = await untilTraining(handle, () => true);
    expect(checkpoint!.step).toBeGreaterThanOrEqual(7);
    expect((await readCheckpoint(session.store, checkpoint!.uri)).step).toBe(checkpoint!.step);

    await trainings.run('cancelled', trainings.input());
    expect(await trainings.outcome('cancelled')).toEqual(undisturbed);
    const results = await readTrainResults(session.store, `${ROOT}/runs/cancelled/results.json`);
    expect(results.resumedFrom).toBe(checkpoint!.step);
  });

  it('ends when the loss is no number any more: says where, and saves nothing of it', async () => {
    const failure = await failureOf('diverged', short('train.optimizer.lr=1e30', 'train.checkpointEvery=1'));
    expect(failure.type).toBe('BadData');
    expect(failure.message).toMatch(
      /^(step|after step) \d+.* \((the last good checkpoint is that of step \d|no checkpoint)/,
    );
  });

  it('refuses to go on by another recipe, and overwrites nothing', async () => {
    const { store } = trainings.tessera.session;
    const before = await store.list(`${ROOT}/runs/undisturbed/`);
    const failure = await failureOf('undisturbed', short('train.optimizer.lr=0.02'));
    expect(failure.type).toBe('BadInput');
    expect(failure.message).toContain('train.optimizer.lr was 0.05 and is 0.02');
    expect(await store.list(`${ROOT}/runs/undisturbed/`)).toEqual(before);
  });

  it('gives the published result again for the same id and inputs, without training', async () => {
    const again = await trainings.run('undisturbed', trainings.input());
    expect(again.resultsUri).toBe(`${ROOT}/runs/undisturbed/results.json`);
    expect(trainings.tessera.pids('workers/gpu')).toEqual([]);
  });

  it('is started, shown and told of by `tessera train`, for a head of UperNet as well', async () => {
    const { weights, dataset } = trainings.input();
    const options = ['--weights', weights, '--dataset', dataset, '--workflow-id', 'upernet'];
    const small = ['train.steps=4', 'train.batch=2', 'train.checkpointEvery=2', 'train.evaluateEvery=2'];
    const command = ['train', 'tiny_upernet', ...options, '--cfg-options', ...small, ...UPERNET];
    const { stdout, stderr } = await promisify(execFile)('node', ['cli/tessera.mjs', ...command]);
    expect(stderr).toContain('▸ Train upernet');
    // Where nothing can move, each phase is a line; the last figures may come between two of them.
    expect(stderr).toMatch(/training · .*\d\/4 steps/);
    expect(stderr).toMatch(/loss [\d.]+/);
    expect(stdout).toMatch(/step {6}2 {2}mIoU [\d.]+ .*\n {2}step {6}4 {2}mIoU [\d.]+/);
    expect(stdout).toContain(`results  ${ROOT}/runs/upernet/results.json`);
  });

  it('tells who interrupts a `--recompute` what resumes from there, and that gives the same bits', async () => {
    const { client, store } = trainings.tessera.session;
    const { weights, dataset } = trainings.input();
    // So long that it doesn't end between a look at its progress and the signal.
    const longer = short('train.steps=60', 'train.evaluateEvery=60');
    await trainings.run('longer', trainings.input(longer));
    const { head } = await trainings.outcome('longer');
    const options = ['--weights', weights, '--dataset', dataset, '--workflow-id', 'anew', '--recompute'];
    const command = ['cli/tessera.mjs', 'train', 'tiny', ...options, '--cfg-options', ...longer.overrides];
    const { child, exited, output } = startNode(command);
    await untilTraining(client.workflow.getHandle('anew'), ({ step }) => step >= 7);
    child.kill('SIGINT');
    expect(await exited).toBe('130');
    const [, uri] = /; the same command with --resume-from (\S+) resumes from there/.exec(output())!;
    const { step } = await readCheckpoint(store, uri!);
    expect(step).toBeGreaterThanOrEqual(7);

    const { stdout } = await promisify(execFile)('node', [...command, '--resume-from', uri!]);
    const results = await readTrainResults(store, /results {2}(\S+)/.exec(stdout)![1]!);
    expect(results.inputs.start).toEqual({ from: 'checkpoint', uri, step });
    expect(results.checkpoints.last.head.sha256).toBe(head);
  });
});

async function failureOf(workflowId: string, changes: { overrides: string[] }) {
  const failure = await trainings.run(workflowId, trainings.input(changes)).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(WorkflowFailedError);
  const { type, message } = (failure as WorkflowFailedError).cause as Error & { type: string };
  return { type, message };
}
