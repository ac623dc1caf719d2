import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { CancelledSchema } from '../../cli/runs/cancel.ts';
import { inputOf } from '../../cli/runs/history.ts';
import { LogLineSchema } from '../../cli/runs/logs.ts';
import { RunPictureSchema } from '../../cli/runs/run-picture.ts';
import { RunListSchema } from '../../cli/runs/run-row.ts';
import { WhySchema } from '../../cli/runs/why.ts';
import { startTemporalServer } from '../../infra/local/temporal-server.ts';
import { startNode, temporaryFolder, until } from '../infra/observe.ts';
import { ROOT } from './runs.ts';
import { SHORT, startTrainings, type Trainings, untilTraining } from './training.ts';

/* The commands of a day, as child processes, on runs that nothing of the command line has started. */

const IMAGES = 8;
let trainings: Trainings;
let long: WorkflowHandle;
let mIoU: number | null;

beforeAll(async () => {
  trainings = await startTrainings({ images: IMAGES });
  const { tessera } = trainings;
  const priced = tessera.input({ overrides: ['run.shards=2', 'run.pricePerWorkerHour=3600'] });
  ({ mIoU } = await tessera.run('measured', priced));
  const lost = tessera.input({ weights: `${ROOT}/weights/none.pth` });
  await tessera.run('lost', lost).catch(() => {});
  await trainings.run('trained', trainings.input({ overrides: [...SHORT, 'run.workers=2'] }));
  const overrides = [...SHORT, 'train.steps=50000', 'train.evaluateEvery=50000'];
  long = await trainings.start('long', trainings.input({ overrides }));
  await untilTraining(long, ({ checkpoint }) => checkpoint !== null);
});

afterAll(() => trainings[Symbol.asyncDispose]());

/** Runs a command to its end. */
async function tessera(args: string[], env: Record<string, string> = {}) {
  const { TEMPORAL_ADDRESS: _, ...rest } = process.env;
  const run = startNode(['cli/tessera.mjs', ...args], {
    ...rest,
    TESSERA_STATE: trainings.tessera.state,
    ...env,
  });
  let stdout = '';
  run.child.stdout!.on('data', (data) => (stdout += data));
  const code = await run.exited;
  return { code, stdout, output: run.output() };
}

describe('a run under way', () => {
  it('lists runs with their config, how far they are, mIoU and cost; not staging, nor parts of runs', async () => {
    const { stdout } = await tessera(['ls', '--json', '--since', '1h']);
    const rows = RunListSchema.parse(JSON.parse(stdout));
    expect(rows.map(({ id }) => id)).toEqual(['long', 'trained', 'lost', 'measured']);
    const [running, trained, lost, measured] = rows;
    expect(running).toMatchObject({ kind: 'Train', config: 'tiny', state: 'running', phase: 'training' });
    expect(running!.share).toBeGreaterThan(0);
    expect(trained).toMatchObject({ state: 'completed', share: 1, cost: { total: null } });
    expect(trained!.mIoU).toBeGreaterThan(0);
    expect(lost).toMatchObject({ state: 'failed', config: 'tiny', dataset: 'mini', share: null, mIoU: null });
    expect(measured).toMatchObject({ kind: 'EvalMIoU', dataset: 'mini', mIoU, cost: { currency: 'USD' } });
    expect(measured!.cost!.total).toBeCloseTo(measured!.cost!.workerSeconds, 6);
  });

  it('finds runs by Temporal’s own search attributes', async () => {
    const { client } = trainings.tessera.session;
    const ids = async (query: string) => {
      const found: string[] = [];
      for await (const { workflowId } of client.workflow.list({ query })) found.push(workflowId);
      return found.sort();
    };
    expect(
      await ids(`TesseraConfig = 'tiny' AND TesseraDataset = 'mini' AND TesseraState = 'running'`),
    ).toEqual(['long']);
    expect(
      await ids(`TesseraState = 'done' AND TesseraMIoU > ${mIoU! - 0.001} AND WorkflowType = 'EvalMIoU'`),
    ).toContain('measured');
  });
  it('is pictured by status, and nothing holds it back', async () => {
    const [running, why, again] = await Promise.all([
      tessera(['status', 'long', '--json']),
      tessera(['why', 'long']),
      tessera(['rerun', 'long', '--workflow-id', 'long']),
    ]);
    const picture = RunPictureSchema.parse(JSON.parse(running.stdout));
    expect(picture).toMatchObject({ state: 'running', phase: 'training', failure: null, config: 'tiny' });
    expect(picture.progress).toMatchObject({
      unit: 'steps',
      total: 50_000,
      workers: [{ state: 'running' }],
    });
    expect(picture.page).toMatch(/^http:.*\/workflows\/long$/);
    expect(why.stdout).toMatch(/^long is running \(training\), for .*\nNothing holds it back\.\n$/);
    expect(again.output).toMatch(/^✗ long is still running: give another --workflow-id, /);
  });

  it('Ctrl-C leaves the view and not the run', async () => {
    const run = startNode(['cli/tessera.mjs', 'watch', 'long'], {
      ...process.env,
      TESSERA_STATE: trainings.tessera.state,
    });
    await until('it is shown', () => /training · \d+ % · /.test(run.output()), 60_000);
    run.child.kill('SIGINT');
    expect(await run.exited).toBe('130');
    expect(run.output()).toContain('left the view: long continues');
    expect((await long.describe()).status.name).toBe('RUNNING');
  });

  it('is cancelled, waited for, and what is kept of it is said', async () => {
    const { code, stdout } = await tessera(['cancel', 'long', '--json']);
    expect(code).toBe('0');
    const cancelled = CancelledSchema.parse(JSON.parse(stdout));
    expect(cancelled).toMatchObject({ id: 'long', state: 'cancelled' });
    expect(cancelled.kept).toMatch(
      /checkpoint of step \d+ stays \(s3:.*\); tessera rerun long --workflow-id long/,
    );
    const [again, done, why] = await Promise.all([
      tessera(['cancel', 'long']),
      tessera(['cancel', 'measured']),
      tessera(['why', 'long']),
    ]);
    expect([again.code, done.code]).toEqual(['0', '3']);
    expect(done.output).toBe('✗ measured has ended already: completed. There is nothing to cancel\n');
    expect(why.stdout).toMatch(/^long was cancelled after .*\n\ncancelled by \d+@/);
  });
});

describe('tessera ls', () => {
  it('shows the others with --all, and only what is asked for with --state', async () => {
    const [all, failed, none] = await Promise.all([
      tessera(['ls', '--all', '--json']),
      tessera(['ls', '--state', 'failed,timed-out']),
      tessera(['ls', '--state', 'terminated']),
    ]);
    const rows = RunListSchema.parse(JSON.parse(all.stdout));
    expect(rows.find(({ id }) => id === 'trained-iter_20')).toMatchObject({
      parent: 'trained',
      kind: 'EvalMIoU',
    });
    expect(rows.find(({ id }) => id === 'head')).toMatchObject({ kind: 'StageWeights', dataset: 'head.pth' });
    expect(failed.stdout).toMatch(
      /^ID +KIND +CONFIG +STATE +% +MIOU +AGE +COST\nlost +EvalMIoU +tiny +failed/,
    );
    expect(failed.stdout.trim().split('\n')).toHaveLength(2);
    expect([none.stdout, none.output]).toEqual(['', expect.stringMatching(/^no runs like that/)]);
  });
});

describe('tessera status and why', () => {
  it('picture a finished run and a failed one', async () => {
    const [done, failed, reason] = await Promise.all([
      tessera(['status', 'measured']),
      tessera(['why', 'lost', '--json']),
      tessera(['why', 'measured']),
    ]);
    expect(done.stdout).toContain(`mIoU      ${(100 * mIoU!).toFixed(2)}`);
    expect(done.stdout).toContain(`results   ${ROOT}/runs/measured/results.json`);
    const why = WhySchema.parse(JSON.parse(failed.stdout));
    expect(why.failure).toMatchObject({ class: 'BadInput', worker: null, shard: null });
    expect(why.failure!.message).toBe(`${ROOT}/weights/none.pth: does not exist`);
    expect(why.failure!.remedy).toContain('tessera rerun lost --cfg-options');
    expect(reason.stdout).toMatch(/^measured succeeded in .*, mIoU \d/);
  });

  it('say in one sentence that there is no such run, and which one was meant', async () => {
    const [near, far] = await Promise.all([
      tessera(['status', 'measurd']),
      tessera(['why', 'something-else']),
    ]);
    expect(near).toMatchObject({
      code: '3',
      output: "✗ there is no run measurd in Temporal's namespace default; did you mean measured?\n",
    });
    expect(far.output).toMatch(
      /^✗ there is no run something-else .*: tessera ls shows those that there are\n$/,
    );
  });
});

describe('tessera watch and logs', () => {
  it('watching what has ended says how, and exits as it did', async () => {
    const [done, lost] = await Promise.all([tessera(['watch', 'measured']), tessera(['watch', 'lost'])]);
    expect([done.code, lost.code]).toEqual(['0', '3']);
    expect(lost.output).toContain('✗ lost failed');
    expect(lost.output).toContain('BadInput: ');
  });

  it('lines come with time and worker, in order; of one worker on request, of a part from the run that it is a part of', async () => {
    const [all, one, part, none, nobody] = await Promise.all([
      tessera(['logs', 'trained', '--json']),
      tessera(['logs', 'trained', '--worker', '1']),
      tessera(['logs', 'trained-iter_20', '--json']),
      tessera(['logs', 'lost']),
      tessera(['logs', 'trained', '--worker', '7']),
    ]);
    const lines = all.stdout
      .trim()
      .split('\n')
      .map((line) => LogLineSchema.parse(JSON.parse(line)));
    expect(new Set(lines.map(({ worker }) => worker))).toEqual(new Set(['0', '1']));
    expect(lines.map(({ line }) => line).join('\n')).toMatch(/training to step 20 begun/);
    const times = lines.flatMap(({ time }) => (time ? [time] : []));
    expect(times.length).toBeGreaterThan(lines.length / 2);
    expect(times).toEqual([...times].sort());
    expect(one.stdout).toMatch(/^\d\d:\d\d:\d\d 1 {2}worker train-/);
    expect(one.stdout).not.toMatch(/^\S+ 0 {2}/m);
    expect(part.stdout).toBe(all.stdout);
    expect(none.output).toMatch(/^✗ there are no logs of lost's workers\. Looked for in: .*logs; /);
    expect(nobody.output).toBe('✗ trained has no worker 7; its workers are 0, 1\n');
  });
});

describe('tessera rerun', () => {
  it('runs the same again with one thing changed, and prints what a run prints', async () => {
    const again = ['rerun', 'measured', '--workflow-id', 'twice', '--cfg-options', 'run.shards=1'];
    const { code, stdout, output } = await tessera(again);
    expect(output).toContain('▸ EvalMIoU twice');
    expect(code).toBe('0');
    expect(stdout).toContain(`results  ${ROOT}/runs/twice/results.json`);
    const { client } = trainings.tessera.session;
    const { runId, memo } = await client.workflow.getHandle('twice').describe();
    expect(await inputOf(client, { workflowId: 'twice', runId })).toMatchObject({
      ...trainings.tessera.input(),
      overrides: ['run.pricePerWorkerHour=3600', 'run.shards=1'],
    });
    expect(memo).toMatchObject({ tessera: { state: 'done', mIoU } });
  });

  it('refuses what is no run of its own', async () => {
    const [stage, part] = await Promise.all([
      tessera(['rerun', 'head']),
      tessera(['rerun', 'trained-iter_20']),
    ]);
    expect(stage.output).toMatch(/^✗ head is a StageWeights; only runs of EvalMIoU, .* can be run again\n$/);
    expect(part.output).toBe('✗ trained-iter_20 is a part of trained: run that one again\n');
  });
});

describe('what is not there is one sentence', () => {
  it.each([
    [
      'no stack',
      { TESSERA_STATE: '/nothing' },
      /^✗ no local stack is up \(\/nothing\/stack\.json\), and TEMPORAL_ADDRESS is not set/,
    ],
    [
      'no server',
      { TEMPORAL_ADDRESS: '127.0.0.1:9' },
      /^✗ no Temporal server answers at 127\.0\.0\.1:9 \(TEMPORAL_ADDRESS\)\n$/,
    ],
  ])('%s', async (_, env, sentence) => {
    const results = await Promise.all([tessera(['ls'], env), tessera(['status', 'x'], env)]);
    for (const { code, output } of results) {
      expect(output).toMatch(sentence);
      expect(code).toBe('3');
    }
  });

  it('no namespace', async () => {
    const env = { TEMPORAL_ADDRESS: process.env.TEMPORAL_ADDRESS!, TEMPORAL_NAMESPACE: 'nothing' };
    const results = await Promise.all([tessera(['ls'], env), tessera(['cancel', 'x'], env)]);
    for (const { output } of results)
      expect(output).toMatch(/^✗ Temporal has no namespace nothing \(TEMPORAL_NAMESPACE\)\. Create it: /);
  });

  it('wrong arguments', async () => {
    const [state, since] = await Promise.all([
      tessera(['ls', '--state', 'done']),
      tessera(['ls', '--since', 'noon']),
    ]);
    expect(state.output).toMatch(/^✗ --state done: expected one or more of running, completed, /);
    expect(since.output).toMatch(/^✗ --since noon: expected a time such as 90m, /);
  });
});

it('a server without the search attributes runs and lists everything as well', async () => {
  const stateDir = temporaryFolder();
  mkdirSync(join(stateDir, 'logs'));
  const port = Number(new URL(`http://${process.env.TEMPORAL_ADDRESS}`).port) + 7;
  const address = `127.0.0.1:${port}`;
  const options = { stateDir, host: '127.0.0.1', port, uiPort: port + 1, searchAttributes: [] };
  const server = await startTemporalServer(options);
  onTestFinished(() => void server.stop());
  const env = { ...process.env, TEMPORAL_ADDRESS: address };
  const control = startNode(['--import', 'tsx', 'workers/control.ts'], env);
  const connection = await Connection.connect({ address });
  onTestFinished(() => connection.close());
  const { workflow } = new Client({ connection });
  const handle = await workflow.start('EvalMIoU', {
    taskQueue: 'tessera',
    workflowId: 'plain',
    args: [trainings.tessera.input({ overrides: ['run.workers=1'] })],
  });
  expect(await handle.result()).toMatchObject({ images: IMAGES, mIoU });
  const { stdout } = await tessera(['ls', '--json'], { TEMPORAL_ADDRESS: address });
  expect(RunListSchema.parse(JSON.parse(stdout))).toMatchObject([{ id: 'plain', config: 'tiny', mIoU }]);
  control.child.kill();
});
