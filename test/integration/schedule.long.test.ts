import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { SchedulesSchema } from '../../cli/schedule/manage.ts';
import { scheduledRequest } from '../../cli/schedule/scheduled-request.ts';
import { command } from './command.ts';
import { startTessera, type Tessera } from './tessera.ts';

/* Runs that Temporal starts by itself. */
let tessera: Tessera;
beforeAll(async () => {
  tessera = await startTessera({ images: 4 });
});
afterAll(() => tessera[Symbol.asyncDispose]());

const schedule = (...words: string[]) => command(tessera.state, 'schedule', ...words);
const inputs = () => {
  const { weights, head, dataset } = tessera.input();
  return ['--weights', weights, '--head', head!, '--dataset', dataset];
};
const listed = async () => SchedulesSchema.parse(JSON.parse((await schedule('ls', '--json')).stdout));

it('starts a run of a config that was read when it was made, each time under an id of its own', async () => {
  writeFileSync(join(tessera.state, 'my.yaml'), stringify({ base: 'tiny', run: { shards: 2 } }));
  const created = await schedule(
    ...['create', 'nightly', '--cron', '0 3 * * *', '--timezone', 'Europe/Berlin'],
    ...['--', 'run', 'my.yaml', ...inputs(), '--label', 'team=x'],
  );
  expect(created).toMatchObject({ code: 0, stdout: 'nightly\n' });
  expect(created.stderr).toMatch(/✓ nightly: EvalMIoU, next at \d{4}-.*T0[12]:00:00\.000Z/);
  const handle = tessera.session.client.schedule.getHandle('nightly');
  expect((await handle.describe()).policies.overlap).toBe('SKIP');

  expect((await schedule('trigger', 'nightly')).code).toBe(0);
  const workflowId = await startedBy('nightly');
  expect(workflowId).toMatch(/^nightly-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  await tessera.session.client.workflow.getHandle(workflowId).result();
  const { run } = await tessera.results(workflowId);
  expect(run).toMatchObject({
    workflowId,
    labels: { team: 'x' },
    config: { name: 'my', run: { shards: 2 } },
  });
  expect(await listed()).toMatchObject([
    { id: 'nightly', type: 'EvalMIoU', paused: false, last: { workflowId } },
  ]);
});

it('refuses what only a command that waits can do', async () => {
  const words = ['run', 'tiny', ...inputs(), '--min-miou', '45'];
  await expect(scheduledRequest('nightly', words)).rejects.toThrow(
    '--min-miou: nobody waits for a scheduled run. Leave it out',
  );
});

it('is paused, and deleted; what is not there or there already is said', async () => {
  const words = ['create', 'nightly', '--cron', '@daily', '--', 'run', 'tiny', ...inputs()];
  expect((await schedule(...words)).stderr).toContain(
    '✗ schedule nightly: is there already. Choose another id',
  );
  expect((await schedule('pause', 'nightly')).stderr).toBe('✓ nightly: paused\n');
  expect((await tessera.session.client.schedule.getHandle('nightly').describe()).state.paused).toBe(true);
  expect((await schedule('delete', 'nightly')).code).toBe(0);
  expect((await schedule('delete', 'nightly')).stderr).toContain('✗ schedule nightly: does not exist');
});

it('is not made of what a command would refuse', async () => {
  const refusal = (...words: string[]) => scheduledRequest('x', words);
  await expect(refusal('run', 'tiyn', ...inputs())).rejects.toThrow('did you mean tiny?');
  await expect(refusal('run', 'tiny')).rejects.toThrow(
    "required option '--dataset <s3-uri>' not specified. Expected",
  );
  await expect(refusal('run', 'tiny', '--dataset', 's3://data/ade')).rejects.toThrow(
    'tiny: names no published weights',
  );
  await expect(refusal('demo')).rejects.toThrow("Expected, after --, what 'tessera run'");
  await expect(scheduledRequest('a/b', ['run', 'tiny', ...inputs()])).rejects.toThrow('workflow id "a/b"');
  const { type, workflowId } = await refusal(
    'train',
    'tiny',
    ...inputs().filter((word) => !/head/.test(word)),
  );
  expect({ type, workflowId }).toEqual({ type: 'Train', workflowId: 'x' });
  const bad = async (...times: string[]) =>
    (await schedule('create', 'bad', ...times, '--', 'run', 'tiny', ...inputs())).stderr;
  expect(await bad('--cron', 'at noon')).toBe("✗ --cron 'at noon': CronString does not have 5-7 fields\n");
  expect(await bad('--cron', '0 3 * * *', '--timezone', 'Nowhere')).toMatch(
    /^✗ --cron '0 3 \* \* \*': .*Nowhere/,
  );
});

async function startedBy(id: string): Promise<string> {
  for (let i = 0; i < 100; i++) {
    const { info } = await tessera.session.client.schedule.getHandle(id).describe();
    const last = info.recentActions.at(-1);
    if (last) return last.action.workflow.workflowId;
    await sleep(100);
  }
  throw new Error(`${id} started nothing within 10 s`);
}
