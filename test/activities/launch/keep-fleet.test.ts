import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { keepFleet } from '../../../activities/launch/keep-fleet.ts';
import type { Launcher } from '../../../activities/launch/launcher.ts';
import { Unavailable } from '../../../core/config/failures.ts';
import type { Cause, FleetSpec, FleetState, WorkerState } from '../../../core/config/fleet.ts';
import { until } from '../../infra/observe.ts';

const fleetOf = (workers: number): FleetSpec => ({
  name: 'eval-1',
  launcher: 'fake',
  taskQueue: 'tessera-1',
  workflowId: 'w',
  runId: 'r',
  workers,
  device: 'cpu',
  deadlineSeconds: 60,
  logs: 's3://tessera/logs',
});

/** A launcher whose workers live until they are killed here. */
function fakeLauncher() {
  const workers: WorkerState[] = [];
  const calls: string[] = [];
  let trouble: Cause | null = null;
  const launcher: Launcher = {
    async reconcile(fleet) {
      calls.push('reconcile');
      for (
        let living = workers.filter(({ state }) => state === 'running').length;
        living < fleet.workers;
        living++
      )
        workers.push({ name: `w${workers.length}`, state: 'running' });
    },
    async observe() {
      calls.push('observe');
      return { workers: structuredClone(workers), trouble };
    },
    async tearDown() {
      calls.push('tearDown');
    },
  };
  const kill = (name: string, message = 'killed by SIGKILL', kind: Cause['kind'] = 'crashed') => {
    const at = workers.findIndex((worker) => worker.name === name);
    workers[at] = { name, state: 'gone', cause: { kind, message }, lastLines: `${name} says goodbye` };
  };
  const suffer = (cause: Cause | null) => {
    trouble = cause;
  };
  return { launcher, workers, calls, kill, suffer };
}

/** A fleet that is kept, with what it reports. */
function keep(launcher: Launcher, workers = 2, { isOver = true, known = [] as WorkerState[] } = {}) {
  const stop = new AbortController();
  const reports: string[] = [];
  const onChange = async ({ workers, trouble }: FleetState) => {
    const seen = workers.map(({ name, state, cause }) => `${name} ${state}${cause ? ` ${cause.kind}` : ''}`);
    reports.push([...seen, ...(trouble ? [trouble.kind] : [])].join(', '));
  };
  const options = { signal: stop.signal, known, isOver: async () => isOver, onChange };
  const kept = keepFleet(launcher, fleetOf(workers), options);
  kept.catch(() => {});
  return { kept, reports, stop: () => stop.abort() };
}

test('a worker that dies is replaced, and only what changed is reported, once', async () => {
  const { launcher, kill, calls } = fakeLauncher();
  const { kept, reports, stop } = keep(launcher);
  await until('both run', () => reports.length === 1);
  kill('w1');
  await until('the death is seen', () => reports.length === 2);
  const looks = calls.length;
  await until('it looked again', () => calls.length >= looks + 2);
  stop();
  await kept;
  expect(reports).toEqual(['w0 running, w1 running', 'w1 gone crashed, w2 running']);
});

test('a stop tears the fleet down at once, and is no failure', async () => {
  const { launcher, calls } = fakeLauncher();
  const { kept, reports, stop } = keep(launcher);
  await until('both run', () => reports.length === 1);
  // Long before the next look would have come.
  const soon = sleep(300).then(() => 'not yet');
  stop();
  expect(await Promise.race([kept.then(() => 'torn down'), soon])).toBe('torn down');
  expect(calls).toEqual(['reconcile', 'observe', 'tearDown']);
});

test('a fleet that was stopped before it began launches nothing, and is torn down all the same', async () => {
  const { launcher, calls } = fakeLauncher();
  const options = { signal: AbortSignal.abort(), isOver: async () => true, onChange: async () => {} };
  await keepFleet(launcher, fleetOf(2), options);
  expect(calls).toEqual(['tearDown']);
});

test('workers that keep dying fail the run, with the last one’s cause and words', async () => {
  const { launcher, kill, calls, workers } = fakeLauncher();
  // One more than three and two a worker.
  for (let i = 0; i < 6; i++) {
    workers.push({ name: `w${i}`, state: 'running' });
    kill(`w${i}`, i === 5 ? 'exit code 134' : 'killed by SIGKILL');
  }
  const { kept } = keep(launcher, 1);
  await expect(kept).rejects.toMatchObject({
    failureClass: 'FleetLost',
    message:
      'workers keep failing: 6 of this run within a day, the last (w5) by crashed: exit code 134. Its last lines:\nw5 says goodbye',
  });
  expect(calls.at(-1)).toBe('tearDown');
});

test('as many deaths as bad luck explains are borne, more of them in a larger fleet', async () => {
  for (const size of [1, 2]) {
    const { launcher, kill, workers } = fakeLauncher();
    for (let i = 0; i < 3 + 2 * size; i++) {
      workers.push({ name: `w${i}`, state: 'running' });
      kill(`w${i}`);
    }
    const { kept, reports, stop } = keep(launcher, size);
    await until('it was seen', () => reports.length === 1);
    stop();
    await kept;
  }
});

test('workers that lived for more than a day don’t speak against a fleet that trains for weeks', async () => {
  const { launcher, kill, workers } = fakeLauncher();
  const createdAtMs = Date.now() - 25 * 3_600_000;
  for (let i = 0; i < 20; i++) {
    workers.push({ name: `w${i}`, state: 'running' });
    kill(`w${i}`);
    workers[i] = { ...workers[i]!, createdAtMs };
  }
  const { kept, reports, stop } = keep(launcher, 1);
  await until('it was seen', () => reports.length === 1);
  stop();
  await kept;
  for (const worker of workers) worker.createdAtMs = Date.now();
  await expect(keep(launcher, 1).kept).rejects.toThrow('workers keep failing: 20 of this run within a day');
});

test.each(['reconcile', 'observe'] as const)(
  'a launcher that fails to %s fails the run, and the fleet is torn down',
  async (call) => {
    const { launcher, calls } = fakeLauncher();
    launcher[call] = async () => {
      throw new Error(`cannot ${call}: quota exceeded`);
    };
    await expect(keep(launcher).kept).rejects.toThrow(`cannot ${call}: quota exceeded`);
    expect(calls.at(-1)).toBe('tearDown');
  },
);

test('a report that nobody takes fails the run, and the fleet is torn down', async () => {
  const { launcher, calls } = fakeLauncher();
  const onChange = async () => {
    throw new Error('the workflow is gone');
  };
  const options = { signal: new AbortController().signal, isOver: async () => true, onChange };
  const kept = keepFleet(launcher, fleetOf(1), options);
  await expect(kept).rejects.toThrow('the workflow is gone');
  expect(calls.at(-1)).toBe('tearDown');
});

test('a keeper that goes before its run leaves the workers to the next one', async () => {
  const { launcher, calls } = fakeLauncher();
  const { kept, reports, stop } = keep(launcher, 2, { isOver: false });
  await until('both run', () => reports.length === 1);
  stop();
  await kept;
  expect(calls).not.toContain('tearDown');
});

test('the next keeper remembers the dead that are no longer to be seen', async () => {
  const { launcher, kill, workers } = fakeLauncher();
  const known: WorkerState[] = [];
  for (let i = 0; i < 6; i++) {
    workers.push({ name: `w${i}`, state: 'running' });
    kill(`w${i}`);
    known.push(...workers.splice(0));
  }
  await expect(keep(launcher, 1, { known }).kept).rejects.toThrow('workers keep failing: 6 of this run');
});

test('a worker that vanishes without a word counts as deleted, and disruptions don’t count as its fault', async () => {
  const { launcher, kill, workers } = fakeLauncher();
  for (let i = 0; i < 20; i++) {
    workers.push({ name: `w${i}`, state: 'running' });
    kill(`w${i}`, 'preempted', 'preempted');
  }
  const { kept, reports, stop } = keep(launcher, 1);
  await until('it runs', () => reports.length === 1);
  workers.splice(0);
  await until('it is missed', () => reports.length === 2);
  stop();
  await kept;
  expect(reports[1]).toBe('w20 gone deleted');
});

test('a cluster that does not answer is told of and waited for', async () => {
  const { launcher } = fakeLauncher();
  const observe = launcher.observe;
  const { kept, reports, stop } = keep(launcher);
  await until('both run', () => reports.length === 1);
  launcher.observe = async () => {
    throw new Unavailable('the Kubernetes API did not answer');
  };
  await until('it is told', () => reports.length === 2);
  launcher.observe = observe;
  await until('it is over', () => reports.length === 3);
  stop();
  await kept;
  expect(reports.slice(1)).toEqual(['api-away', '']);
});

test('news that nobody takes for now is told again', async () => {
  const { launcher } = fakeLauncher();
  const stop = new AbortController();
  const told: number[] = [];
  const onChange = async ({ workers }: FleetState) => {
    told.push(workers.length);
    if (told.length === 1) throw new Unavailable('Temporal is away');
  };
  const kept = keepFleet(launcher, fleetOf(2), { signal: stop.signal, isOver: async () => true, onChange });
  await until('it is told twice', () => told.length === 2);
  stop.abort();
  await kept;
  expect(told).toEqual([2, 2]);
});

test.each([
  ['quota-full', false],
  ['quota-too-small', true],
  ['refused', true],
] as const)('trouble of the whole fleet, %s, ends the run: %s', async (kind, ends) => {
  const { launcher, suffer, calls } = fakeLauncher();
  suffer({ kind, message: 'in the cluster’s words' });
  const { kept, reports, stop } = keep(launcher);
  if (ends) {
    await expect(kept).rejects.toMatchObject({
      failureClass: 'BadInput',
      message: `${kind}: in the cluster’s words`,
    });
    expect(calls.at(-1)).toBe('tearDown');
  } else {
    await until('it is told', () => reports.length === 1);
    stop();
    await kept;
  }
});

test('a worker killed for memory at each halving of a batch of 1,024 does not cost the run its fleet', async () => {
  const { launcher } = fakeLauncher();
  const cause: Cause = { kind: 'out-of-memory', message: 'killed at its memory limit of 160Mi' };
  const known = Array.from({ length: 10 }, (_, i): WorkerState => ({ name: `k${i}`, state: 'gone', cause }));
  const { kept, reports, stop } = keep(launcher, 1, { known });
  await until('it looked', () => reports.length === 1);
  stop();
  await kept;
  expect(reports[0]).toMatch(/w0 running$/);
});

test('workers that don’t fit their memory before they take a shard fail the run; those that served get smaller batches', async () => {
  const { launcher, kill, workers } = fakeLauncher();
  const die = (name: string) => kill(name, 'killed at its memory limit of 160Mi', 'out-of-memory');
  for (const name of ['w0', 'w1']) workers.push({ name, state: 'running' });
  const { kept, reports, stop } = keep(launcher, 2);
  await until('both serve', () => reports.length === 1);
  die('w0');
  die('w1');
  await until('both are replaced', () => reports.length === 2);
  stop();
  await kept;
  const again = fakeLauncher();
  for (const name of ['w0', 'w1']) {
    again.workers.push({ name, state: 'starting' });
    again.kill(name, 'killed at its memory limit of 160Mi', 'out-of-memory');
  }
  await expect(keep(again.launcher, 2).kept).rejects.toMatchObject({
    failureClass: 'FleetLost',
    message: expect.stringMatching(
      /^w0: out-of-memory: .*160Mi before it could take a shard: give the workers more/,
    ),
  });
});
